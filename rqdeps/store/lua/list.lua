-- @include lib/claim
-- list: ids of the jobs of a queue that have a status, a page at a time: in the order they run, wait or ended.
--   KEYS   prefix
--   ARGV   queue · status · offset · how many
--   reply  {ids}; fewer than asked for where entries no longer count

local queue, status, offset, count = argument.text(), argument.text(), argument.number(), argument.number()
if status ~= 'queued' then
  return redis.call('ZRANGE', key(status, queue), offset, offset + count - 1)
end
local ids = {}
for _, entry in ipairs(redis.call('LRANGE', key('queue', queue), offset, offset + count - 1)) do
  if claim.counts(entry, queue) then
    ids[#ids + 1] = string.match(entry, '^(.*):%d+$')
  end
end
return ids
