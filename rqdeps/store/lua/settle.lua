-- @include lib/claim
-- @include lib/durations
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
local outcomes = argument.number()

local LEFT = { left = true }

-- How many fields a claimed job's hash has that nothing special is known of, by whether it began at once; one more if it
-- waited for others, as it was then created before it was queued. No more of it has to be read then. For one job alone both
-- ways take as long, and this one a command more.
local PLAIN_FIELDS = { [false] = 8, ['1'] = 10 }

-- The job under a claim, or nil if that is not held any more.
local function read_claimed(id, fence, kind)
  if kind == 'finished' and outcomes > 1 then
    local name = key('job', id)
    local facts = redis.call('HMGET', name, 'status', 'fence', 'queue', 'begun', 'created_at')
    if facts[1] ~= 'started' or facts[2] ~= fence then
      return nil
    elseif redis.call('HLEN', name) == (PLAIN_FIELDS[facts[4]] or 0) + (facts[5] and 1 or 0) then
      return job.plain({ id = id, status = 'started', queue = facts[3] })
    end
  end
  local j = job.read(id)
  return j and j.status == 'started' and j.fence == tonumber(fence) and j or nil
end

local function finish(j, fields, value)
  if j.result_ttl ~= '0' or j.linked > 0 or j.fallback_of then
    job.put(fields, j.id, 'result', value)
  end
  local change = (job.has_listeners(j) or j.fallback_of) and news.become or move
  change(j, 'finished', fields, LEFT)
end

local RETURNED = { finished = true, spawned = true, gives = true }

local statuses, repeating = {}, {}
for i = 1, outcomes do
  local id, fence, kind, attempt, delay, duration, value = argument.texts(7)
  local j = read_claimed(id, fence, kind)
  if j then
    -- Allowed when memory is full, and what follows a write is then allowed too: a full server can drain.
    leave_started(j)
    j.attempt = tonumber(attempt)
    if kind == 'finished' then
      finish(j, { 'attempt', attempt }, value)
    else
      news.reports[kind](j, { 'attempt', attempt }, value, tonumber(delay))
    end
    if j.workflow and RETURNED[kind] then
      durations.note(j, tonumber(duration))
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
if is_loaded(durations) then
  durations.save()
end
local released, left = {}, 0
if #repeating > 0 or is_loaded(news) then
  released = news.released
  left = news.deliver(BUDGET - 2 * JOB_COST * outcomes) -- as many may be claimed
  if #repeating > 0 and news.repeats.begin_at_once(repeating) then
    left = news.deliver(math.floor(BUDGET / 2))
  end
end
local claimed, more = {}, false
if look or #released > 0 or #repeating > 0 or wake.has_made_room() then
  claimed, more = claim.take(queues, holder, lease_ms, want, begin)
  if claim.has_canceled then
    left = news.deliver(math.floor(BUDGET / 2))
  end
end
wake.flush()
return { statuses, released, claimed, left, more and 1 or 0 }
