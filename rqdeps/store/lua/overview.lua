-- @include lib/base
-- overview: how many jobs of each status there are in queues.
--   KEYS   prefix
--   ARGV   list of queues; empty means all
--   reply  {queue, {status, count, …}, …}

local queues = argument.list()
if #queues == 0 then
  queues = redis.call('SMEMBERS', PREFIX .. 'queues')
  table.sort(queues)
end
local REGISTRIES = {
  'created', 'deferred', 'scheduled', 'started', 'joining', 'finished', 'failed', 'stopped', 'canceled', 'upstream_failed',
  'skipped',
}
local reply = {}
for _, queue in ipairs(queues) do
  local stale = tonumber(redis.call('HGET', key('queue-meta', queue), 'stale') or 0)
  local counts = { 'queued', redis.call('LLEN', key('queue', queue)) - stale }
  for _, status in ipairs(REGISTRIES) do
    counts[#counts + 1] = status
    counts[#counts + 1] = redis.call('ZCARD', key(status, queue))
  end
  reply[#reply + 1] = queue
  reply[#reply + 1] = counts
end
return reply
