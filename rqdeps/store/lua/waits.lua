-- @include lib/entry
-- waits: since when the next job of queues has been ready.
--   KEYS   prefix
--   ARGV   list of queues
--   reply  {the time in ms, {ms since which the first entry that counts has been there, or '' if there is none, …}}

-- How many entries are looked at: those that count no longer are passed over.
local LOOKED_AT = 10

local reply = {}
for i, queue in ipairs(argument.list()) do
  reply[i] = ''
  for _, entry in ipairs(redis.call('LRANGE', key('queue', queue), 0, LOOKED_AT - 1)) do
    if entry_counts(entry, queue) then
      reply[i] = redis.call('HGET', key('job', string.match(entry, '^(.*):%d+$')), 'enqueued_at') or ''
      break
    end
  end
end
return { digits(now), reply }
