-- @include lib/resolve
-- cascade: carries on cascades that exceeded the budget of the call that began them.
--   KEYS   prefix
--   ARGV   none
--   reply  how many are left

allow_when_full()

local waiting = redis.call('ZRANGE', PREFIX .. 'cascades', 0, 9, 'WITHSCORES')
for i = 1, #waiting, 2 do
  resolve.resume(waiting[i], tonumber(waiting[i + 1]))
end
resolve.deliver(BUDGET)
wake.flush()
return redis.call('ZCARD', PREFIX .. 'cascades')
