-- @include lib/gates
-- save_meta: replaces a job's meta.
--   KEYS   prefix
--   ARGV   id · meta
--   reply  1, or 0 if there is no such job

local id, meta = argument.text(), argument.text()
local facts = gates.facts(id, 'status')
if not facts or not facts[1] then
  return 0
end
local fields = {}
job.put(fields, id, 'meta', meta)
if fields[2] ~= '@' then
  redis.call('UNLINK', key('meta', id))
end
redis.call('HSET', key('job', id), unpack(fields))
return 1
