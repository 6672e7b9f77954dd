-- @include lib/entry
-- list: ids of the jobs of a queue that have a status, a page at a time: in the order they run, wait or ended.
--   KEYS   prefix
--   ARGV   queue · status · offset · how many at most
--   reply  {offset to go on from, or -1 at the end, {ids}}; entries of a queue that no longer count are passed over

local queue, status, offset, count = argument.text(), argument.text(), argument.number(), argument.number()
count = math.min(count, BUDGET)
local ids, looked
if status == 'queued' then
  local entries = redis.call('LRANGE', key('queue', queue), offset, offset + count - 1)
  ids, looked = {}, #entries
  for _, entry in ipairs(entries) do
    if entry_counts(entry, queue) then
      ids[#ids + 1] = string.match(entry, '^(.*):%d+$')
    end
  end
else
  ids = redis.call('ZRANGE', key(status, queue), offset, offset + count - 1)
  looked = #ids
end
return { looked < count and -1 or offset + looked, ids }
