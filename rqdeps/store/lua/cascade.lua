-- @include lib/deliver
-- cascade: carries on cascades that exceeded the budget of the call that began them.
--   KEYS   prefix
--   ARGV   none
--   reply  how many are left

allow_when_full()

carry_on(BUDGET)
wake.flush()
return cascades_left()
