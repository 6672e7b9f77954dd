-- @include lib/recover
-- @include lib/forget
-- @include lib/deliver
-- @include lib/entry
-- @include lib/repeats
-- maintain: does what time brings, for some queues: recovers lost claims, promotes scheduled jobs, ends jobs whose ttl
-- ran out, begins lives of jobs that repeat, deletes ended jobs that are due, gives up graphs that were never finished, carries on cascades, clears entries
-- that no longer count from the ends of queues, and forgets workers that are gone.
--   KEYS   prefix
--   ARGV   lease in ms · list of queues
--   reply  {1 if there is more to do at once, else 0, ms until a job of these queues is due (-1: none known),
--           {jobs recovered}, {jobs whose ttl ran out}, number promoted, number of ended jobs looked at}

allow_when_full()

local lease_ms = argument.number()
local queues = argument.list()

local MINUTE_MS = 60 * 1000
local MOST_PASSED_OVER = 20

local budget = BUDGET
local next_due = -1
local recovered, expired, promoted, looked_at = {}, {}, 0, 0

local function note_due(at)
  local wait = math.max(at - now, 0)
  if next_due < 0 or wait < next_due then
    next_due = wait
  end
end

-- Walks through the members of a registry that are due, within the budget.
-- `act` returns what it cost. Returns when the first of the others is due.
local function each_due(registry, act)
  while budget > 0 do
    local head = redis.call('ZRANGE', registry, 0, 0, 'WITHSCORES')
    local due = tonumber(head[2])
    if not due then
      return
    elseif due > now then
      return due
    end
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', registry, '-inf', digits(now), 'LIMIT', 0, 50)) do
      local j = job.read(id)
      if j then
        budget = budget - act(j)
      else
        redis.call('ZREM', registry, id)
        budget = budget - 1
      end
      if budget <= 0 then
        return
      end
    end
  end
end

-- When nobody has maintained for half a lease, the server was away, or all workers were, or its clock has gone ahead:
-- claims then get one more lease before they count as lost, and losing one of them counts as nobody's death. What was noted
-- by a clock that has gone back since holds from now on.
local beat = PREFIX .. 'beat'
local seen = redis.call('HMGET', beat, 'at', 'away_until', 'latest')
local was_away = seen[1] and now - tonumber(seen[1]) > lease_ms / 2
local away_until = tonumber(seen[2] or 0)
if was_away or away_until > now then
  away_until = now
end
local latest = math.max(tonumber(seen[3] or 0), now)
local has_gone_back = latest > now
redis.call('HSET', beat, 'at', digits(now), 'away_until', digits(away_until), 'latest', digits(latest))

-- How long the claims of a job's worker hold, as it says; as long as the caller's, if it has said nothing lately.
local function lease_of(j)
  local worker = string.match(j.holder or '', '^(.*)%.%d+$')
  return tonumber(worker and redis.call('HGET', key('worker', worker), 'lease_ms') or lease_ms)
end

-- Leases from before the clock went back last too long: none lasts for longer than one lease from now on.
local function cut_leases(queue)
  local registry, passed_over = key('started', queue), 0
  while budget > 0 and passed_over < MOST_PASSED_OVER do
    local last = redis.call('ZREVRANGE', registry, passed_over, passed_over, 'WITHSCORES')
    local ends = tonumber(last[2] or 0)
    if ends <= now + lease_ms then
      return
    end
    local j = job.read(last[1])
    local longest = now + (j and lease_of(j) or 0)
    if ends > longest then
      redis.call('ZADD', registry, digits(longest), last[1])
    else -- that of a worker whose leases are longer
      passed_over = passed_over + 1
    end
    budget = budget - 2
  end
end

if has_gone_back then
  for _, queue in ipairs(queues) do
    cut_leases(queue)
  end
  gates.cut_deadlines()
  for _, worker in ipairs(
    redis.call('ZRANGEBYSCORE', PREFIX .. 'workers', '(' .. digits(now), '+inf', 'LIMIT', 0, 100)
  ) do
    redis.call('ZADD', PREFIX .. 'workers', digits(now), worker)
  end
end

for _, queue in ipairs(queues) do
  local due = each_due(key('started', queue), function(j)
    local spared_until = away_until > 0 and away_until + lease_of(j) or 0
    if now < spared_until then
      redis.call('ZADD', key('started', queue), digits(spared_until), j.id)
      return 2
    end
    recovered[#recovered + 1] = j.id
    recover(j, j.fence < away_until * 1000)
    return 5
  end)
  if due then
    note_due(due)
  end
  due = each_due(key('scheduled', queue), function(j)
    move(j, 'queued', nil, { front = j.at_front or job.retries_at_front(j) })
    promoted = promoted + 1
    return 5
  end)
  if due then
    note_due(due)
  end
end

-- Entries that no longer count go once they come to an end of their queue; a worker would pass over them one by one.
local function clear_ends(queue)
  local list = key('queue', queue)
  local stale = tonumber(redis.call('HGET', key('queue-meta', queue), 'stale') or 0)
  local ends = { [0] = 'LPOP', [-1] = 'RPOP' }
  for index, pop in pairs(ends) do
    local entry = stale > 0 and redis.call('LINDEX', list, index)
    while entry and budget > 0 and not entry_counts(entry, queue) do
      redis.call(pop, list)
      redis.call('HINCRBY', key('queue-meta', queue), 'stale', -1)
      stale, budget = stale - 1, budget - 1
      entry = stale > 0 and redis.call('LINDEX', list, index)
    end
  end
end

for _, queue in ipairs(queues) do
  clear_ends(queue)
end

local due = each_due(PREFIX .. 'timers', function(j)
  if j.repeat_due then
    repeats.begin(j)
    return 5
  elseif not j.ttl then
    redis.call('ZREM', PREFIX .. 'timers', j.id)
    return 1
  end
  expired[#expired + 1] = j.id
  local fields = {}
  job.put(fields, j.id, 'reason', 'its ttl of ' .. tonumber(j.ttl) / 1000 .. ' s ran out before it started')
  become(j, 'canceled', fields)
  return 5
end)
if due then
  note_due(due)
end

for _, gate in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'gates', '-inf', digits(now), 'LIMIT', 0, 10)) do
  if gates.is_awaited(gate) or now < away_until + MINUTE_MS then
    gates.prolong(gate)
    budget = budget - 1
  elseif budget > 0 then
    budget = budget - gates.give_up(gate, budget)
  end
end

-- Last, as many may be due at once, and nobody waits for them.
for _, queue in ipairs(queues) do
  for status in pairs(TERMINAL) do
    each_due(key(status, queue), function(j)
      looked_at = looked_at + 1
      return forget(j, budget)
    end)
  end
end

carry_on(math.max(budget, 50))
local has_more = budget <= 0 or cascades_left() > 0
  or redis.call('ZCOUNT', PREFIX .. 'gates', '-inf', digits(now)) > 0

-- Workers have a minute to be heard of again, as their graphs have to go on.
local gone_since = now < away_until + MINUTE_MS and 0 or now - MINUTE_MS
for _, worker in ipairs(
  redis.call('ZRANGEBYSCORE', PREFIX .. 'workers', '-inf', digits(gone_since), 'LIMIT', 0, 100)
) do
  redis.call('ZREM', PREFIX .. 'workers', worker)
  redis.call('UNLINK', key('worker', worker), key('inbox', worker))
end
wake.flush()

return { has_more and 1 or 0, next_due, recovered, expired, promoted, looked_at }
