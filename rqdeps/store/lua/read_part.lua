-- @include lib/job
-- read_part: one field of a job, also where it is long, such as its payload or its result.
--   KEYS   prefix
--   ARGV   id · name
--   reply  {status or nil, value or nil}

local id, name = argument.text(), argument.text()
local values = redis.call('HMGET', key('job', id), 'status', name)
return { values[1], values[2] and job.text(id, name, values[2]) }
