-- @include lib/base
-- beat: a worker's sign of life.
--   KEYS   prefix
--   ARGV   worker · list of fields: name, value, …
--   reply  {names of all queues}

allow_when_full()

local worker = argument.text()
redis.call('HSET', key('worker', worker), 'beat_at', digits(now), unpack(argument.list()))
redis.call('ZADD', PREFIX .. 'workers', digits(now), worker)
return redis.call('SMEMBERS', PREFIX .. 'queues')
