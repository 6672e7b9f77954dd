-- @include lib/base
-- settings: how queues are set by people.
--   KEYS   prefix
--   ARGV   list of queues
--   reply  {1 if workers take no jobs of it, else 0, how many of its jobs are started at once at most, or nil, …}

local reply = {}
for i, queue in ipairs(argument.list()) do
  local facts = redis.call('HMGET', key('queue-meta', queue), 'paused', 'limit')
  reply[2 * i - 1], reply[2 * i] = facts[1] and 1 or 0, facts[2]
end
return reply
