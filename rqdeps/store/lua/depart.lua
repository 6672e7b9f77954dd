-- @include lib/base
-- depart: a worker says that it is gone.
--   KEYS   prefix
--   ARGV   worker
--   reply  1

local worker = argument.text()
redis.call('ZREM', PREFIX .. 'workers', worker)
redis.call('UNLINK', key('worker', worker), key('inbox', worker))
return 1
