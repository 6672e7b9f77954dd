-- @include lib/base
-- dependents: the jobs that wait, or waited, for a job, in the order of their linking.
--   KEYS   prefix
--   ARGV   id
--   reply  {ids}

return redis.call('ZRANGE', key('dependents', argument.text()), 0, -1)
