-- @include lib/base
-- group: the jobs of a group, in the order in which they were enqueued, a page at a time.
--   KEYS   prefix
--   ARGV   name · the place of the last one of the page before, or 0 · how many at most
--   reply  {id, place, id, place, …}

local name, after, count = argument.text(), argument.text(), argument.number()
return redis.call('ZRANGEBYSCORE', key('group', name), '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
