-- @include lib/job
-- renew: prolongs the leases of claims that a worker knows it holds.
--   KEYS   prefix
--   ARGV   lease in ms · number of claims; for each: id · fence · attempt that has begun, or 0 if it has not
--   reply  {ids of the claims that are no longer held}

allow_when_full()

local lease_ms = argument.number()
local lost = {}
for _ = 1, argument.number() do
  local id, fence, attempt = argument.text(), argument.number(), argument.number()
  local j = job.read(id)
  if j and j.status == 'started' and j.fence == fence then
    redis.call('ZADD', key('started', j.queue), digits(now + lease_ms), id)
    if attempt > 0 and j.begun ~= '1' then
      redis.call('HSET', key('job', id), 'begun', 1, 'attempt', attempt)
    end
  else
    lost[#lost + 1] = id
  end
end
return lost
