-- mark: changes marks that are as somebody has read them.
--   KEYS   marks
--   ARGV   for each: name · what it has to be, empty for none · what it becomes, empty for none
--   reply  for each: 1, or 0 where it was another

local changed = {}
for i = 1, #ARGV, 3 do
  local name, before, after = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local is_so = (redis.call('HGET', KEYS[1], name) or '') == before
  if is_so and after == '' then
    redis.call('HDEL', KEYS[1], name)
  elseif is_so then
    redis.call('HSET', KEYS[1], name, after)
  end
  changed[#changed + 1] = is_so and 1 or 0
end
return changed
