-- @include lib/base
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
  local id, epoch = string.match(entry, '^(.*):(%d+)$')
  local facts = redis.call('HMGET', key('job', id), 'status', 'epoch', 'queue')
  if facts[1] == 'queued' and facts[2] == epoch and facts[3] == queue then
    ids[#ids + 1] = id
  end
end
return ids
