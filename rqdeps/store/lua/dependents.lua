-- @include lib/base
-- dependents: the jobs that wait, or waited, for a job, in the order of their linking, a page at a time.
--   KEYS   prefix
--   ARGV   id · place of the last one known, -1 at first
--   reply  {id, place, …}; at the end fewer than the budget

return redis.call('ZRANGEBYSCORE', key('dependents', argument.text()), '(' .. argument.text(), '+inf', 'WITHSCORES',
  'LIMIT', 0, BUDGET)
