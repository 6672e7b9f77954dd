-- schema: the version of the layout of the data.
--   KEYS   the key `schema`
--   ARGV   1 if the caller is about to write, else 0 · the version it would write
--   reply  the version that the data has, or nil if there is none yet

local version = redis.call('GET', KEYS[1])
if not version and ARGV[1] == '1' then
  redis.call('SET', KEYS[1], ARGV[2])
  version = ARGV[2]
end
return version
