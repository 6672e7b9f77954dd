-- @include lib/gates
-- standing: where a job stands in the registry that its status names.
--   KEYS   prefix
--   ARGV   id
--   reply  nil if there is no such job, or {status, queue, score in its registry or '', place in its queue from 0 or -1,
--           the server's time in ms, 1 if the queue is paused, else 0,
--           the queue's limit if as many of its jobs are started, else 0}

local FARTHEST_LOOK = 10000

local id = argument.text()
local facts = gates.facts(id, 'status', 'queue', 'epoch', 'gate')
if not facts or not facts[1] then
  return nil
end
local status, queue = facts[1], facts[2]
local place_in_queue, score = -1, ''
if status == 'queued' then
  local entry = id .. ':' .. epoch_of(facts[3])
  place_in_queue = redis.call('LPOS', key('queue', queue), entry, 'MAXLEN', FARTHEST_LOOK) or -1
elseif not facts[4] then
  score = redis.call('ZSCORE', key(status, queue), id) or ''
end
local settings = redis.call('HMGET', key('queue-meta', queue), 'paused', 'limit')
local limit = tonumber(settings[2] or 0)
if redis.call('ZCARD', key('started', queue)) < limit then
  limit = 0
end
return { status, queue, score, place_in_queue, digits(now), settings[1] and 1 or 0, limit }
