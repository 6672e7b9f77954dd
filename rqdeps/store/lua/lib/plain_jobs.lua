-- @include lib/arrivals
-- lib/plain_jobs: jobs to be that have to do with no others and may run at once, which most are. They are born queued, by
-- as little as that takes. In a list, each stands as
--   id · nonce, see lib/new_jobs · queue · length of what follows · name, value, name, value, …

local plain_jobs = {}

local BEFORE_FIELDS = 4

-- Which jobs of a part of a list are there already: their statuses by their ids. Also returns the id of one that is another
-- job's, if there is one.
--   is_there  see lib/arrivals
function plain_jobs.known(list, first, last, again, is_there)
  local ids, nonces = {}, {}
  local at = first
  while at <= last do
    if again or list[at + 1] ~= '' then
      ids[#ids + 1], nonces[#nonces + 1] = list[at], list[at + 1]
    end
    at = at + BEFORE_FIELDS + list[at + 3]
  end
  return already_there(ids, nonces, is_there)
end

-- The jobs of a part of a list that are not known, as a list.
function plain_jobs.unknown(list, first, last, known)
  local unknown = {}
  local at = first
  while at <= last do
    local ends = at + BEFORE_FIELDS + list[at + 3] - 1
    if not known[list[at]] then
      for i = at, ends do
        unknown[#unknown + 1] = list[i]
      end
    end
    at = ends + 1
  end
  return unknown
end

-- Gives long values of a job's fields keys of their own.
local function put_long(id, list, first, last)
  for f = first, last, 2 do
    if is_long(list[f + 1]) then
      redis.call('SET', key(list[f], id), list[f + 1])
      list[f + 1] = '@'
    end
  end
end

-- Saves the jobs of a part of a list but for those that are known, and puts them behind those in their queues.
function plain_jobs.save(list, first, last, known)
  local time, entries = string.format('%.0f', now), {}
  local at = first
  while at <= last do
    local id, nonce, queue, fields = list[at], list[at + 1], list[at + 2], at + BEFORE_FIELDS
    at = fields + list[at + 3]
    if not known[id] then
      put_long(id, list, fields, at - 1)
      redis.call('HSET', key('job', id), 'status', 'queued', 'queue', queue, 'enqueued_at', time, unpack(list, fields, at - 1))
      if nonce ~= '' and nonce ~= ITSELF then
        redis.call('HSET', key('job', id), 'nonce', nonce)
      end
      local of_queue = entries[queue]
      if not of_queue then
        of_queue = {}
        entries[queue] = of_queue
      end
      of_queue[#of_queue + 1] = id .. ':1'
    end
  end
  for queue, of_queue in pairs(entries) do
    redis.call('RPUSH', key('queue', queue), unpack(of_queue))
    redis.call('ZADD', key('wake', queue), 0, '*')
  end
end

-- The place where so many jobs of a list end, or as many as it has whole; and how many these are.
function plain_jobs.first_few(list, most)
  local last, count = 0, 0
  while count < most and list[last + BEFORE_FIELDS] do
    local ends = last + BEFORE_FIELDS + list[last + BEFORE_FIELDS]
    if ends > #list then
      break
    end
    last, count = ends, count + 1
  end
  return last, count
end
