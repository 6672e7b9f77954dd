-- @include lib/wake
-- limit: bounds how many jobs of a queue are started at once, or lets any number again. What runs beyond it goes on.
--   KEYS   prefix
--   ARGV   queue · how many, or empty for any number · cursor: 0 at first, then as replied
--   reply  next cursor, or 0 at the end: jobs that were started before are told a page at a time that they make room

local queue, most, cursor = argument.text(), argument.text(), argument.text()

local meta = key('queue-meta', queue)

if most == '' then
  redis.call('HDEL', meta, 'limit')
  wake.mark(queue)
  wake.flush()
  return '0'
end
if cursor == '0' then
  redis.call('SADD', PREFIX .. 'queues', queue)
  redis.call('HSET', meta, 'limit', most)
end
local page = redis.call('ZSCAN', key('started', queue), cursor, 'COUNT', BUDGET)
for i = 1, #page[2], 2 do
  redis.call('HSET', key('job', page[2][i]), 'limited', 1)
end
wake.note_room(queue)
wake.flush()
return page[1]
