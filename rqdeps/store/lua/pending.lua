-- @include lib/base
-- pending: whether queues still hold what a worker in burst mode waits for: jobs that are queued, running or waiting for
-- their next attempt, or ends whose dependents have not been told.
--   KEYS   prefix
--   ARGV   list of queues
--   reply  1 or 0

for _, queue in ipairs(argument.list()) do
  local facts = redis.call('HMGET', key('queue-meta', queue), 'stale', 'retrying', 'paused')
  if (not facts[3] and redis.call('LLEN', key('queue', queue)) > tonumber(facts[1] or 0))
    or tonumber(facts[2] or 0) > 0
    or redis.call('ZCARD', key('started', queue)) > 0
  then
    return 1
  end
end
return redis.call('EXISTS', PREFIX .. 'cascades', PREFIX .. 'reopenings') > 0 and 1 or 0
