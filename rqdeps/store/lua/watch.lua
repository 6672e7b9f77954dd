-- @include lib/gates
-- watch: asks that the end of a job be published on `ended:<id>`.
--   KEYS   prefix
--   ARGV   id
--   reply  the job's status now, or nil if there is no such job

local id = argument.text()
local facts = redis.call('HMGET', key('job', id), 'status', 'gate', 'deleting')
local status = facts[1]
if not status or not gates.is_visible({ gate = facts[2], deleting = facts[3] }) then
  return nil
end
if not TERMINAL[status] then
  redis.call('HSET', key('job', id), 'waited', 1)
end
return status
