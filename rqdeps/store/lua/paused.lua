-- @include lib/base
-- paused: whether workers take no jobs of a queue.
--   KEYS   prefix
--   ARGV   queue
--   reply  1 or 0

return redis.call('HEXISTS', key('queue-meta', argument.text()), 'paused')
