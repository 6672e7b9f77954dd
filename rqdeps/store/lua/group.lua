-- @include lib/base
-- group: the jobs of a group, in the order in which they were enqueued, a page at a time.
--   KEYS   prefix
--   ARGV   name · offset · how many at most
--   reply  {ids}

local name, offset, count = argument.text(), argument.number(), argument.number()
return redis.call('ZRANGE', key('group', name), offset, offset + count - 1)
