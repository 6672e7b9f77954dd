-- @include lib/deliver
-- @include lib/claim
-- @include lib/repeats
-- settle: reports the outcomes of attempts, releases the dependents, then claims the next jobs, all in one call.
--   KEYS   prefix
--   ARGV   holder · lease in ms · jobs wanted · how many of them begin at once
--          1 to look for jobs in any case, 0 to look only if this call released some, or made room in a queue with a limit
--          list of queues
--          number of outcomes; for each: id · fence · kind · attempt · delay in ms · how long it took in ms · value
--            finished  value: the result
--            spawned   value: the result; delay: how many pieces of a graph stand behind the gate of this claim
--            gives     as spawned, and the result holds outputs of what it spawned
--            failed    value: what happened; delay: until the next attempt, if one is left; -1: no further attempt
--            snoozed   delay: until the job runs again
--            stopped   a person asked for it; value: what happened
--   reply  {{status after each outcome, or 'stale'}, {released job, by, …}, {claimed jobs, see lib/claim}, cascades left,
--           1 if the queues may hold more jobs, else 0}

local holder, lease_ms, want, begin = argument.text(), argument.number(), argument.number(), argument.number()
local look = argument.number() == 1
local queues = argument.list()

local function wait_for_next_attempt(j, delay, fields, front)
  if j.stop then
    become(j, 'stopped', fields, { left = true })
  elseif delay > 0 then
    move(j, 'scheduled', fields, { left = true, due = now + delay })
  else
    move(j, 'queued', fields, { left = true, front = front })
  end
end

-- How long the functions of workflows take, from which one can tell how long a workflow will: what this call adds.
local taken = {}

local function note_duration(j, duration)
  local path = job.text(j.id, 'function', j['function'])
  local of_function = taken[path] or { count = 0, ms = 0 }
  taken[path] = of_function
  of_function.count, of_function.ms = of_function.count + 1, of_function.ms + duration
end

-- After so many, the older half of what is known counts for half.
local MOST_SAMPLES = 200

local function save_durations()
  for path, added in pairs(taken) do
    local known = redis.call('HGET', PREFIX .. 'durations', path) or '0:0'
    local count, ms = string.match(known, '^(%d+):(%d+)$')
    count, ms = count + added.count, ms + added.ms
    if count > MOST_SAMPLES then
      count, ms = math.floor(count / 2), math.floor(ms / 2)
    end
    redis.call('HSET', PREFIX .. 'durations', path, digits(count) .. ':' .. digits(ms))
  end
end

-- What is noted of an attempt whose spawned jobs were given up before it was reported.
local SPAWNED_IS_LOST = '{"type":"rqdeps.errors.GraphGivenUpError",'
  .. '"message":"what this attempt had spawned was given up before it was reported"}'

local settle = {}

function settle.finished(j, fields, value)
  if j.result_ttl ~= '0' or j.linked > 0 or j.fallback_of then
    job.put(fields, j.id, 'result', value)
  end
  become(j, 'finished', fields, { left = true })
end

-- It has run, and joins what it spawned. Should that have been given up, the attempt counts for nothing.
function settle.spawned(j, fields, value, pieces, gives)
  local gate = j.spawning
  if not gate or gates.pieces(gate) ~= pieces then
    settle.failed(j, fields, SPAWNED_IS_LOST, 0)
  elseif j.stop then
    job.note_attempt(j, 'stopped', '')
    become(j, 'stopped', fields, { left = true })
  else
    gates.open_for(gate, j.id)
    job.drop(j, { 'spawning' })
    job.put(fields, j.id, 'result', value)
    j.joins = '1'
    for _, name in ipairs({ 'joins', gives }) do
      fields[#fields + 1] = name
      fields[#fields + 1] = 1
    end
    fields[#fields + 1] = 'returned_at'
    fields[#fields + 1] = digits(now)
    become(j, 'joining', fields, { left = true })
  end
end

function settle.gives(j, fields, value, pieces)
  settle.spawned(j, fields, value, pieces, 'gives')
end

function settle.failed(j, fields, value, delay)
  job.note_attempt(j, 'failed', value)
  fields[#fields + 1] = 'failures'
  fields[#fields + 1] = j.failures + 1
  if delay >= 0 and j.failures < j.retries then
    wait_for_next_attempt(j, delay, fields, job.retries_at_front(j))
  else
    become(j, j.stop and 'stopped' or 'failed', fields, { left = true })
  end
end

function settle.snoozed(j, fields, value, delay)
  wait_for_next_attempt(j, delay, fields, job.retries_at_front(j))
end

function settle.stopped(j, fields, value)
  job.note_attempt(j, 'stopped', value)
  become(j, 'stopped', fields, { left = true })
end

local RETURNED = { finished = true, spawned = true, gives = true }

local statuses, repeating = {}, {}
local outcomes = argument.number()
for i = 1, outcomes do
  local j = job.read(argument.text())
  local fence, kind, attempt = argument.number(), argument.text(), argument.number()
  local delay, duration, value = argument.number(), argument.number(), argument.text()
  if j and j.status == 'started' and j.fence == fence then
    -- Allowed when memory is full, and what follows a write is then allowed too: a full server can drain.
    leave_started(j)
    j.attempt = attempt
    settle[kind](j, { 'attempt', attempt }, value, delay)
    if j.workflow and RETURNED[kind] then
      note_duration(j, duration)
    end
    statuses[i] = j.status
    if j.repeat_due then
      repeating[#repeating + 1] = j.id
    end
  else
    statuses[i] = 'stale'
  end
end

if look and want == 0 then
  allow_when_full() -- to put markers back is the first write then
end
save_durations()
local left = deliver(BUDGET - 2 * JOB_COST * outcomes) -- as many may be claimed
if #repeating > 0 and repeats.begin_at_once(repeating) then
  left = deliver(math.floor(BUDGET / 2))
end
local claimed, more = {}, false
if look or #released > 0 or #repeating > 0 or wake.has_made_room() then
  claimed, more = claim.take(queues, holder, lease_ms, want, begin)
  if claim.has_canceled then
    left = deliver(math.floor(BUDGET / 2))
  end
end
wake.flush()
return { statuses, released, claimed, left, more and 1 or 0 }
