-- @include lib/base
-- lib/entry: an entry of a queue, `id:epoch`.

-- Whether it still stands for a job that waits there.
local function entry_counts(entry, queue)
  local id, epoch = string.match(entry, '^(.*):(%d+)$')
  local facts = redis.call('HMGET', key('job', id), 'status', 'epoch', 'queue')
  return facts[1] == 'queued' and epoch_of(facts[2]) == tonumber(epoch) and facts[3] == queue
end
