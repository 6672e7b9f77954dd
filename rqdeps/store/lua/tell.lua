-- @include lib/base
-- tell: puts a message into the inbox of a worker. The same message twice says no more than once.
--   KEYS   prefix
--   ARGV   worker · message
--   reply  1, or 0 if there is no such worker

allow_when_full()

local worker, message = argument.text(), argument.text()
if not redis.call('ZSCORE', PREFIX .. 'workers', worker) then
  return 0
end
redis.call('LREM', key('inbox', worker), 0, message)
redis.call('RPUSH', key('inbox', worker), message)
return 1
