-- @include lib/deliver
-- @include lib/claim
-- settle: reports the outcomes of attempts, releases the dependents, then claims the next jobs, all in one call.
--   KEYS   prefix
--   ARGV   holder · lease in ms · jobs wanted · how many of them begin at once
--          1 to look for jobs in any case, 0 to look only if this call released some · list of queues
--          number of outcomes; for each: id · fence · kind · attempt · delay in ms · value
--            finished  value: the result
--            failed    value: what happened; delay: until the next attempt, if one is left; -1: no further attempt
--            snoozed   delay: until the job runs again
--            stopped   a person asked for it; value: what happened
--   reply  {{status after each outcome, or 'stale'}, {released job, by, …}, {claimed jobs, see lib/claim}, cascades left,
--           1 if the queues may hold more jobs, else 0}

local holder, lease_ms, want, begin = argument.text(), argument.number(), argument.number(), argument.number()
local look = argument.number() == 1
local queues = argument.list()

local function wait_for_next_attempt(j, delay, fields)
  if j.stop then
    become(j, 'stopped', fields, { left = true })
  elseif delay > 0 then
    move(j, 'scheduled', fields, { left = true, due = now + delay })
  else
    move(j, 'queued', fields, { left = true })
  end
end

local settle = {}

function settle.finished(j, fields, value)
  if j.result_ttl ~= '0' or j.linked > 0 or j.fallback_of then
    job.put(fields, j.id, 'result', value)
  end
  become(j, 'finished', fields, { left = true })
end

function settle.failed(j, fields, value, delay)
  job.note_attempt(j, 'failed', value)
  fields[#fields + 1] = 'failures'
  fields[#fields + 1] = j.failures + 1
  if delay >= 0 and j.failures < j.retries then
    wait_for_next_attempt(j, delay, fields)
  else
    become(j, j.stop and 'stopped' or 'failed', fields, { left = true })
  end
end

function settle.snoozed(j, fields, value, delay)
  wait_for_next_attempt(j, delay, fields)
end

function settle.stopped(j, fields, value)
  job.note_attempt(j, 'stopped', value)
  become(j, 'stopped', fields, { left = true })
end

local statuses = {}
local outcomes = argument.number()
for i = 1, outcomes do
  local j = job.read(argument.text())
  local fence, kind, attempt = argument.number(), argument.text(), argument.number()
  local delay, value = argument.number(), argument.text()
  if j and j.status == 'started' and j.fence == fence then
    -- Allowed when memory is full, and what follows a write is then allowed too: a full server can drain.
    redis.call('ZREM', key('started', j.queue), j.id)
    j.attempt = attempt
    settle[kind](j, { 'attempt', attempt }, value, delay)
    statuses[i] = j.status
  else
    statuses[i] = 'stale'
  end
end

local left = deliver(BUDGET - JOB_COST * outcomes)
local claimed, more = {}, false
if look or #released > 0 then
  claimed, more = claim.take(queues, holder, lease_ms, want, begin)
end
wake.flush()
return { statuses, released, claimed, left, more and 1 or 0 }
