-- @include lib/gates
-- watch: asks that the end of a job be published on `ended:<id>`.
--   KEYS   prefix
--   ARGV   id
--   reply  the job's status now, or nil if there is no such job

local id = argument.text()
local facts = gates.facts(id, 'status')
local status = facts and facts[1]
if not status then
  return nil
end
if not TERMINAL[status] then
  allow_when_full() -- whoever waits for a job shall hear of it then too
  redis.call('HSET', key('job', id), 'waited', 1)
end
return status
