-- @include lib/base
-- groups: the names of groups in order, a page at a time.
--   KEYS   prefix
--   ARGV   the last name of the page before; empty for the first page · how many at most
--   reply  {names}

local after, count = argument.text(), argument.number()
return redis.call('ZRANGEBYLEX', PREFIX .. 'groups', after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, count)
