-- @include lib/remove
-- @include lib/place
-- @include lib/plain_jobs
-- @include lib/through
-- lib/gates: graphs that come in pieces. Until a gate is opened, its jobs stand in `gate:<id>` only, scored by the order
-- in which they go through, and nobody sees them. The member `#` counts the pieces there are, below 0. In `gates` stands
-- when an unfinished graph is given up. What a job spawns stands behind a gate too until its attempt is accepted; what the
-- job is to join then stands in `joins:<gate>`. Where all jobs are plain, none is made before it goes through: they stand in
-- `plain:<gate>`, as lib/plain_jobs has them.

local gates = {}

-- A graph is given up this long after its last piece came.
local GATE_MS = 60 * 1000

local PIECES = '#'
local GIVEN_UP = 0 -- in place of the number of pieces

gates.is_closed = is_closed

-- Whether a job is there for others than the graph it comes with.
function gates.is_visible(j)
  return not j.deleting and is_through(j)
end

-- Fields of a job, in the order of their names; nil if it is there for nobody yet, or no longer.
function gates.facts(id, ...)
  local names = { ... }
  local n = #names
  names[n + 1], names[n + 2] = 'gate', 'deleting'
  local facts = redis.call('HMGET', key('job', id), unpack(names))
  return gates.is_visible({ gate = facts[n + 1], deleting = facts[n + 2] }) and facts or nil
end

-- How many pieces a gate has; 0 if there is no such gate, nil if it was given up.
function gates.pieces(gate)
  local score = redis.call('ZSCORE', key('gate', gate), PIECES)
  if not score then
    return 0
  end
  score = tonumber(score)
  return score ~= GIVEN_UP and -score or nil
end

-- The reply to a piece that is there already, or can't be taken any more; nil for one that is next.
function gates.reply_to_piece(gate, number)
  local pieces = gates.pieces(gate)
  if not pieces or pieces < number - 1 then
    return { 'given up' }
  elseif pieces >= number then
    return { 'ok' } -- this is the second sending
  end
end

-- Puts off giving up a gate.
function gates.prolong(gate)
  redis.call('ZADD', PREFIX .. 'gates', digits(now + GATE_MS), gate)
end

-- Deadlines from before the clock went back come too late: no graph has more than a minute from now on.
function gates.cut_deadlines()
  local latest = '(' .. digits(now + GATE_MS)
  for _, gate in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'gates', latest, '+inf', 'LIMIT', 0, 10)) do
    gates.prolong(gate)
  end
end

-- One more piece has come.
function gates.note_piece(gate, number)
  redis.call('ZADD', key('gate', gate), -number, PIECES)
  gates.prolong(gate)
end

function gates.open(gate)
  redis.call('ZREM', PREFIX .. 'gates', gate)
  cascades.begin_task('gate', gate)
end

-- Whether a claim goes on.
function gates.is_held(id, fence)
  local facts = redis.call('HMGET', key('job', id), 'status', 'fence')
  return facts[1] == 'started' and facts[2] == fence
end

-- The claim whose attempt spawned the graph behind a gate, `id:fence`, stands with what it is to join.
local SPAWNED_BY = '#by'

function gates.note_spawner(gate, id, fence)
  redis.call('HSET', key('joins', gate), SPAWNED_BY, id .. ':' .. fence)
  redis.call('HSET', key('job', id), 'spawning', gate)
end

-- Whether the attempt that spawned the graph behind a gate goes on, so that it may yet be opened.
function gates.is_awaited(gate)
  local id, fence = string.match(redis.call('HGET', key('joins', gate), SPAWNED_BY) or '', '^(.*):(%d+)$')
  return id and gates.is_held(id, fence)
end

-- The attempt that spawned the graph behind a gate is accepted: its job joins what it spawned, which goes through.
function gates.open_for(gate, id)
  redis.call('HDEL', key('joins', gate), SPAWNED_BY)
  redis.call('RENAME', key('joins', gate), key('joins', id))
  gates.open(gate)
end

-- Its jobs in order, as many as the budget allows at this cost each.
local function next_jobs(gate, budget, cost)
  local most = math.max(1, math.floor(budget / cost))
  return redis.call('ZRANGEBYSCORE', key('gate', gate), '(0', '+inf', 'LIMIT', 0, most)
end

-- What a job costs that goes through, all of which is there already; one of a workflow is counted there, too.
local THROUGH_COST, IN_WORKFLOW_COST = 2, 1

-- What a job costs that was kept as it came.
local KEPT_COST = 1

-- A job behind a gate as far as it has to be known to wait for others; nil if there is more to it than that.
local function read_waiting(id, gate)
  local facts = redis.call('HMGET', key('job', id), 'status', 'gate', 'queue', 'workflow', 'held', 'ttl', 'joins', 'deleting')
  if facts[1] == 'created' and facts[2] == gate and not (facts[5] or facts[6] or facts[7] or facts[8]) then
    return job.plain({ id = id, status = 'created', queue = facts[3], workflow = facts[4] or nil })
  end
end

local waits_with = {} -- by the text of a job's only group: whether the job waits

-- Whether a job with one group of dependencies waits for them. Most groups that a call reads here are alike.
local function waits(id)
  local known = redis.call('HMGET', key('dependencies', id), '#', '#0')
  if known[1] ~= '1' then
    return false
  end
  local text = known[2]
  if waits_with[text] == nil then
    waits_with[text] = rules.verdict({ edges.parse_group(text) }) == 'deferred'
  end
  return waits_with[text]
end

local LEFT = { left = true }

-- Lets a job through that has left its gate. Returns what it cost.
--   may_wait  whether it may wait for others, as most jobs of a graph do: then little of it is read
local function let_one_through(id, gate, may_wait)
  local j = may_wait and read_waiting(id, gate)
  if j and waits(id) then
    redis.call('HDEL', key('job', id), 'gate')
    move(j, 'deferred', nil, LEFT)
  else
    j = job.read(id)
    if not j or j.status ~= 'created' or j.gate ~= gate then
      return THROUGH_COST
    end
    job.drop(j, { 'gate' })
    place(j, (may_wait or j.joins) and edges.read_groups(edges.deciding(j)) or {}, {}, { left = true })
  end
  return THROUGH_COST + (j.workflow and IN_WORKFLOW_COST or 0)
end

-- Whether some of the jobs wait for others, which one command can tell where none of them does.
local function have_dependencies(ids)
  local hashes = {}
  for i, id in ipairs(ids) do
    hashes[i] = key('dependencies', id)
  end
  return #ids > 0 and redis.call('EXISTS', unpack(hashes)) > 0
end

-- At least so many elements of `plain:<gate>` are a job, and at most so many.
local LEAST, MOST = 8, 100

-- Of jobs that are there already: those that another graph has saved behind its gate, which may never be opened, go through
-- here.
local function take_over(ids)
  for id in pairs(ids) do
    local j = job.read(id)
    if not is_through(j) and not j.deleting then
      redis.call('ZREM', key('gate', j.gate), id)
      job.drop(j, { 'gate' })
      place(j, edges.read_groups(edges.deciding(j)), {}, { left = true })
    end
  end
end

-- The same where all jobs are plain.
local function let_plain_through(gate, budget)
  local name, most = key('plain', gate), math.max(1, math.floor(budget / KEPT_COST))
  local list = redis.call('LRANGE', name, 0, math.max(LEAST * most, MOST) - 1)
  local last, count = plain_jobs.first_few(list, most)
  if last > 0 then
    local known, hidden = plain_jobs.known(list, 1, last, true, gates.is_visible)
    plain_jobs.save(list, 1, last, known)
    if hidden then
      take_over(known)
    end
    redis.call('LTRIM', name, last, -1)
  end
  local are_last = redis.call('EXISTS', name) == 0
  if are_last then
    redis.call('UNLINK', key('gate', gate))
  end
  -- Without a whole job in the list, which no call leaves, this must not go on for ever.
  return math.max(count, 1) * KEPT_COST, are_last
end

-- How many jobs wait behind a gate; where all are plain, these are the most that can.
function gates.waiting(gate)
  return redis.call('ZCARD', key('gate', gate)) - 1 + math.floor(redis.call('LLEN', key('plain', gate)) / LEAST)
end

-- Lets some jobs of an open gate through. Returns what it cost, and whether these were the last.
function gates.let_through(gate, budget)
  if redis.call('EXISTS', key('plain', gate)) > 0 then
    return let_plain_through(gate, budget)
  end
  local ids, through, cost = next_jobs(gate, budget, THROUGH_COST), {}, 0
  local wait = have_dependencies(ids)
  for i, id in ipairs(ids) do
    if cost >= budget then
      break
    end
    through[i] = id
    cost = cost + let_one_through(id, gate, wait)
  end
  if #through > 0 then
    redis.call('ZREM', key('gate', gate), unpack(through))
  end
  local are_last = redis.call('ZCARD', key('gate', gate)) <= 1
  if are_last then
    redis.call('UNLINK', key('gate', gate))
  end
  return cost, are_last
end

-- Gives up a graph that was never finished: deletes some of its jobs. Returns what it cost, and whether all are gone.
function gates.give_up(gate, budget)
  redis.call('ZADD', key('gate', gate), GIVEN_UP, PIECES)
  local cost = 1
  for _, id in ipairs(next_jobs(gate, budget, MOVE_COST)) do
    local j = job.read(id)
    local gone = true
    if j and j.gate == gate then
      local spent
      spent, gone = remove.some(j, budget - cost)
      cost = cost + spent
    else
      redis.call('ZREM', key('gate', gate), id)
    end
    if cost >= budget or not gone then
      return cost, false
    end
  end
  if redis.call('ZCARD', key('gate', gate)) > 1 then
    return cost, false
  end
  redis.call('UNLINK', key('gate', gate), key('joins', gate), key('plain', gate))
  redis.call('ZREM', PREFIX .. 'gates', gate)
  return cost, true
end

return gates
