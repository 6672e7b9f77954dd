-- @include lib/gates
-- read_part: one field of a job, also where it is long, such as its payload or its result.
--   KEYS   prefix
--   ARGV   id · name
--   reply  {status or nil, value or nil}

local id, name = argument.text(), argument.text()
local facts = redis.call('HMGET', key('job', id), 'status', name, 'gate', 'deleting')
if not gates.is_visible({ gate = facts[3], deleting = facts[4] }) then
  return { false }
end
return { facts[1], facts[2] and job.text(id, name, facts[2]) }
