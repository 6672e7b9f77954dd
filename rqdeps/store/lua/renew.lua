-- @include lib/job
-- renew: prolongs the leases of claims that a worker knows it holds.
--   KEYS   prefix
--   ARGV   lease in ms · number of claims; for each: id · fence · attempt that has begun, or 0 if it has not
--   reply  {for each claim in order: 0 held, 1 no longer held, 2 held and to be stopped}

allow_when_full()

local lease_ms = argument.number()
local states = {}
for i = 1, argument.number() do
  local id, fence, attempt = argument.text(), argument.number(), argument.number()
  local j = job.read(id)
  if j and j.status == 'started' and j.fence == fence then
    redis.call('ZADD', key('started', j.queue), digits(now + lease_ms), id)
    if attempt > 0 and j.begun ~= '1' then
      redis.call('HSET', key('job', id), 'begun', 1, 'attempt', attempt)
    end
    states[i] = j.stop and 2 or 0
  else
    states[i] = 1
  end
end
return states
