-- lib/transitions: what a change of status takes with few jobs: those that leave a queue unclaimed, live again, repeat, have
-- a time to start by, or belong to a workflow.

local transitions = {}

-- A job waits for another attempt when it is scheduled and has begun one: a worker in burst mode waits for it.
function transitions.count_retrying(j, by)
  if j.attempt > 0 then
    redis.call('HINCRBY', key('queue-meta', j.queue), 'retrying', by)
  end
end

-- The entry of a job that leaves its queue otherwise than by a claim goes if it is the first; else it stays, and is passed
-- over when it comes up. Once no entry counts any more, all go.
local function outdate_entry(j)
  local meta, list = key('queue-meta', j.queue), key('queue', j.queue)
  local stale
  if redis.call('LINDEX', list, 0) == j.id .. ':' .. j.epoch then
    redis.call('LPOP', list)
    stale = tonumber(redis.call('HGET', meta, 'stale') or 0)
  else
    stale = redis.call('HINCRBY', meta, 'stale', 1)
  end
  if stale > 0 and stale >= redis.call('LLEN', list) then
    redis.call('UNLINK', list)
    redis.call('HDEL', meta, 'stale')
  end
end

function transitions.leave(j)
  if j.status == 'queued' then
    outdate_entry(j)
  elseif j.status == 'started' then
    leave_started(j)
  elseif j.status == 'created' and j.gate then
    redis.call('ZREM', key('gate', j.gate), j.id)
    job.drop(j, { 'gate', 'held' })
  else
    redis.call('ZREM', key(j.status, j.queue), j.id)
    if j.status == 'scheduled' then
      transitions.count_retrying(j, -1)
    elseif j.held then
      job.drop(j, { 'held' })
    end
  end
end

-- What a job may keep of an end, and of the life before it. None of it is true of another.
local OF_AN_END_ONLY = { 'ended_at', 'reason', 'checked', 'stand_in', 'stop', 'repeat_due' }
local OF_ITS_END = { 'result', 'gives', unpack(OF_AN_END_ONLY) }

-- Whether what a job has returned, and what it joins, stays with it: as long as it does not run again.
local function keeps_join(j, status)
  return j.joins and (status == 'joining' or TERMINAL[status])
end

-- A job that is to repeat has another life before it, some time after it has finished: `timers` knows when. One that a
-- person wanted stopped has none.
function transitions.plan_repetition(j, fields)
  local repeated, due = tonumber(j.repeated or 0), nil
  if j.stop or repeated >= tonumber(j.repeats) then
    return
  end
  for interval in string.gmatch(job.text(j.id, 'repeat', j['repeat'] or '0'), '%d+') do -- the last holds on
    due, repeated = now + tonumber(interval), repeated - 1
    if repeated < 0 then
      break
    end
  end
  j.repeat_due = digits(due)
  redis.call('ZADD', PREFIX .. 'timers', j.repeat_due, j.id)
  fields[#fields + 1] = 'repeat_due'
  fields[#fields + 1] = j.repeat_due
end

-- What a job has before it is over, or comes to nothing.
function transitions.end_wait_for_repetition(j)
  if j.repeat_due then
    redis.call('ZREM', PREFIX .. 'timers', j.id)
  end
end

-- Leaving an end, for whatever other status, begins a new life of the job.
function transitions.begin_epoch(j, fields, status)
  transitions.end_wait_for_repetition(j)
  if keeps_join(j, status) then
    job.drop(j, OF_AN_END_ONLY)
  else
    job.drop(j, OF_ITS_END)
    if j.joins then
      job.drop(j, { 'joins', 'returned_at' })
      redis.call('UNLINK', key('joins', j.id))
    end
  end
  j.epoch = j.epoch + 1
  fields[#fields + 1] = 'epoch'
  fields[#fields + 1] = j.epoch
  if j.linked > 0 or j.fallback then -- who depends on it is to know first that it lives again
    j.reopening = '1'
    fields[#fields + 1] = 'reopening'
    fields[#fields + 1] = 1
  end
end

-- A job with a ttl that has never run is given so long to start, from now or from the time it waits for.
function transitions.start_timer(j, fields)
  if j.attempt == 0 then
    j.ttl_due = digits(math.max(now, j.scheduled_for) + j.ttl)
    fields[#fields + 1] = 'ttl_due'
    fields[#fields + 1] = j.ttl_due
    redis.call('ZADD', PREFIX .. 'timers', j.ttl_due, j.id)
  end
end

-- The time to wait is over for a job that starts or ends.
function transitions.stop_timer(j)
  redis.call('ZREM', PREFIX .. 'timers', j.id)
end

-- Whether a job with this status has a call before it, or runs. What joins others has run.
local function has_to_run(status)
  return status ~= nil and not TERMINAL[status] and status ~= 'joining'
end

-- A workflow counts its members by their statuses, and by function those that have yet to run; not the fallbacks, which
-- mostly don't. Without a status, the job leaves the workflow.
function transitions.count_in_workflow(j, status)
  local counts = key('workflow', j.workflow)
  if j.status then
    redis.call('HINCRBY', counts, j.status, -1)
  end
  if status then
    redis.call('HINCRBY', counts, status, 1)
  end
  local had, has = has_to_run(j.status), has_to_run(status)
  if had ~= has and not j.fallback_of then
    redis.call('HINCRBY', counts, 'function:' .. job.text(j.id, 'function', j['function']), has and 1 or -1)
  end
end

return transitions
