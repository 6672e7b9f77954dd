-- @include lib/base
-- groups: the names of all groups, in order.
--   KEYS   prefix
--   ARGV   none
--   reply  {names}

local names = redis.call('SMEMBERS', PREFIX .. 'groups')
table.sort(names)
return names
