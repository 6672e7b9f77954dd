-- @include lib/job
-- @include lib/wake
-- lib/move: the only code that changes a status, together with the registries.

local MINUTE_MS = 60 * 1000
local KEEP_RECORD_MS = 10 * MINUTE_MS -- a record stays at least this long after its job's end
local RESULT_TTL_MS = 10 * MINUTE_MS -- unless the job says otherwise
local FAILURE_TTL_MS = 365 * 24 * 60 * MINUTE_MS

-- Which of a job's two times to live its end is kept for.
local KEPT_FOR_RESULT = { finished = true, skipped = true }

-- When the end of a job, at a time, is due for `maintain`: first its value, then its record. -1 means for ever.
local function retention_due(j, status, ended_at)
  local ttl
  if KEPT_FOR_RESULT[status] then
    ttl = tonumber(j.result_ttl or RESULT_TTL_MS)
  else
    ttl = tonumber(j.failure_ttl or FAILURE_TTL_MS)
  end
  if ttl < 0 then
    return '+inf'
  end
  if status ~= 'finished' then
    ttl = math.max(ttl, KEEP_RECORD_MS)
  end
  return digits(ended_at + ttl)
end

-- A job waits for another attempt when it is scheduled and has begun one: a worker in burst mode waits for it.
local function count_retrying(j, by)
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

-- A job leaves those started, in whatever way. One claimed while its queue had a limit makes room for another.
local function leave_started(j)
  redis.call('ZREM', key('started', j.queue), j.id)
  if j.limited then
    wake.note_room(j.queue)
  end
end

local function leave(j)
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
      count_retrying(j, -1)
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
local function plan_repetition(j, fields)
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
local function end_wait_for_repetition(j)
  if j.repeat_due then
    redis.call('ZREM', PREFIX .. 'timers', j.id)
  end
end

-- Leaving an end, for whatever other status, begins a new life of the job.
local function begin_epoch(j, fields, status)
  end_wait_for_repetition(j)
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
local function start_timer(j, fields)
  if j.ttl and j.attempt == 0 then
    j.ttl_due = digits(math.max(now, j.scheduled_for) + j.ttl)
    fields[#fields + 1] = 'ttl_due'
    fields[#fields + 1] = j.ttl_due
    redis.call('ZADD', PREFIX .. 'timers', j.ttl_due, j.id)
  end
end

-- The time to wait is over for a job that starts or ends.
local function stop_timer(j)
  if j.ttl then
    redis.call('ZREM', PREFIX .. 'timers', j.id)
  end
end

-- Whether a job with this status has a call before it, or runs. What joins others has run.
local function has_to_run(status)
  return status ~= nil and not TERMINAL[status] and status ~= 'joining'
end

-- A workflow counts its members by their statuses, and by function those that have yet to run; not the fallbacks, which
-- mostly don't. Without a status, the job leaves the workflow.
local function count_in_workflow(j, status)
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

-- How a job enters the registry of a status. Each returns the field that keeps the time of it, if there is one.
local enter = {}

function enter.queued(j, how)
  redis.call(how.front and 'LPUSH' or 'RPUSH', key('queue', j.queue), j.id .. ':' .. j.epoch)
  wake.mark(j.queue)
  return 'enqueued_at'
end

function enter.created(j)
  redis.call('ZADD', key('created', j.queue), digits(now), j.id)
end

function enter.deferred(j)
  redis.call('ZADD', key('deferred', j.queue), digits(now), j.id)
end

function enter.joining(j)
  redis.call('ZADD', key('joining', j.queue), digits(now), j.id)
end

function enter.scheduled(j, how)
  redis.call('ZADD', key('scheduled', j.queue), digits(how.due), j.id)
  count_retrying(j, 1)
end

function enter.started(j, how)
  redis.call('ZADD', key('started', j.queue), digits(how.due), j.id)
  stop_timer(j)
  return 'started_at'
end

local function enter_end(j, status)
  redis.call('ZADD', key(status, j.queue), retention_due(j, status, now), j.id)
  stop_timer(j)
  if j.waited then
    redis.call('PUBLISH', key('ended', j.id), status)
  end
  return 'ended_at'
end

-- Moves a job to a status: out of the registry it is in, into the one that the status names. If it had ended, that begins
-- a new epoch.
--   fields  further fields to write with it, as a flat list
--   how     left: the job is out of its old registry already; front: to the front of its queue;
--           due: the end of the lease, or the time of promotion
local function move(j, status, fields, how)
  how = how or {}
  fields = fields or {}
  if j.status and not how.left then
    leave(j)
  end
  if TERMINAL[j.status] then
    begin_epoch(j, fields, status)
    if not TERMINAL[status] then
      start_timer(j, fields)
    end
  end
  local time_field
  if TERMINAL[status] then
    time_field = enter_end(j, status)
    if j.repeats and status == 'finished' then
      plan_repetition(j, fields)
    end
  else
    time_field = enter[status](j, how)
  end
  if time_field then
    fields[#fields + 1] = time_field
    fields[#fields + 1] = digits(now)
  end
  if j.workflow then
    count_in_workflow(j, status)
  end
  redis.call('HSET', key('job', j.id), 'status', status, unpack(fields))
  j.status = status
end
