-- @include lib/base
-- beat: a worker's sign of life, and the messages in its inbox that it has not heard yet. One can be lost with the reply:
-- of a job to be stopped, `renew` says it again.
--   KEYS   prefix
--   ARGV   worker · list of fields: name, value, …
--   reply  {{names of all queues}, {messages: a word, a blank, what it is about}}

allow_when_full()

local worker = argument.text()
redis.call('HSET', key('worker', worker), 'beat_at', digits(now), unpack(argument.list()))
redis.call('ZADD', PREFIX .. 'workers', digits(now), worker)
local inbox = key('inbox', worker)
local messages = redis.call('LRANGE', inbox, 0, -1)
if #messages > 0 then
  redis.call('UNLINK', inbox)
end
return { redis.call('SMEMBERS', PREFIX .. 'queues'), messages }
