-- @include lib/job
-- watch: asks that the end of a job be published on `ended:<id>`.
--   KEYS   prefix
--   ARGV   id
--   reply  the job's status now, or nil if there is no such job

local id = argument.text()
local status = redis.call('HGET', key('job', id), 'status')
if status and not TERMINAL[status] then
  redis.call('HSET', key('job', id), 'waited', 1)
end
return status
