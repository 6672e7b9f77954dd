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

-- A job leaves those started, in whatever way. One claimed while its queue had a limit makes room for another.
local function leave_started(j)
  redis.call('ZREM', registry('started', j.queue), j.id)
  if j.limited then
    wake.note_room(j.queue)
  end
end

-- @include lib/transitions

local NOTHING = {}

-- Moves a job to a status: out of the registry it is in, into the one that the status names. If it had ended, that begins
-- a new epoch.
--   fields  further fields to write with it, as a flat list
--   how     left: the job is out of its old registry already; front: to the front of its queue;
--           due: the end of the lease, or the time of promotion
local function move(j, status, fields, how)
  fields, how = fields or {}, how or NOTHING
  if j.status and not how.left then
    transitions.leave(j)
  end
  if TERMINAL[j.status] then
    transitions.begin_epoch(j, fields, status)
    if j.ttl and not TERMINAL[status] then
      transitions.start_timer(j, fields)
    end
  end
  local time_field
  if status == 'queued' then
    redis.call(how.front and 'LPUSH' or 'RPUSH', registry('queue', j.queue), j.id .. ':' .. j.epoch)
    wake.mark(j.queue)
    time_field = 'enqueued_at'
    if j.enqueued_at and not j.created_at then -- until now, that was when it was created
      fields[#fields + 1] = 'created_at'
      fields[#fields + 1] = j.enqueued_at
    end
  elseif TERMINAL[status] then
    redis.call('ZADD', registry(status, j.queue), retention_due(j, status, now), j.id)
    time_field = 'ended_at'
    if j.waited then
      redis.call('PUBLISH', key('ended', j.id), status)
    end
    if j.repeats and status == 'finished' then
      transitions.plan_repetition(j, fields)
    end
  else
    redis.call('ZADD', registry(status, j.queue), digits(how.due or now), j.id)
    if status == 'started' then
      time_field = 'started_at'
    elseif status == 'scheduled' then
      transitions.count_retrying(j, 1)
    end
  end
  if j.ttl and time_field and status ~= 'queued' then -- the wait is over
    transitions.stop_timer(j)
  end
  if not j.status and status ~= 'queued' then
    fields[#fields + 1] = 'created_at'
    fields[#fields + 1] = digits(now)
  end
  if time_field then
    fields[#fields + 1] = time_field
    fields[#fields + 1] = digits(now)
  end
  if j.workflow then
    transitions.count_in_workflow(j, status)
  end
  redis.call('HSET', key('job', j.id), 'status', status, unpack(fields))
  j.status = status
end
