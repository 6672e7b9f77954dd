-- @include lib/base
-- log_lines: the last lines of what a job has told people, oldest first.
--   KEYS   prefix
--   ARGV   id · how many at most, from 1 up
--   reply  {`at attempt text`, …}

return redis.call('LRANGE', key('log', argument.text()), -argument.number(), -1)
