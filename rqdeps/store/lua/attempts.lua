-- @include lib/base
-- attempts: the attempts of a job that did not finish, the last 10, oldest first.
--   KEYS   prefix
--   ARGV   id
--   reply  {a line `attempt started_at ended_at outcome holder` and a text, …}

return redis.call('LRANGE', key('attempts', argument.text()), 0, -1)
