-- @include lib/wake
-- pause: stops workers from taking jobs of a queue, or lets them again.
--   KEYS   prefix
--   ARGV   queue · 1 to pause, 0 to resume
--   reply  1 if that changed something, else 0

local queue, pauses = argument.text(), argument.number() == 1
redis.call('SADD', PREFIX .. 'queues', queue)
local changed
if pauses then
  changed = redis.call('HSET', key('queue-meta', queue), 'paused', 1)
else
  changed = redis.call('HDEL', key('queue-meta', queue), 'paused')
  wake.mark(queue)
  wake.flush()
end
return changed
