-- @include lib/job
-- @include lib/wake
-- lib/move: the only code that changes a status, together with the registries.

local MINUTE_MS = 60 * 1000
local KEEP_RECORD_MS = 10 * MINUTE_MS -- a record stays at least this long after its job's end
local RESULT_TTL_MS = 10 * MINUTE_MS -- unless the job says otherwise
local FAILURE_TTL_MS = 365 * 24 * 60 * MINUTE_MS

-- Which of a job's two times to live its end is kept for.
local KEPT_FOR_RESULT = { finished = true, skipped = true }

-- When the end of a job is due for `maintain`: first its value, then its record. -1 means for ever.
local function retention_due(j, status)
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
  return digits(now + ttl)
end

-- A job waits for another attempt when it is scheduled and has begun one: a worker in burst mode waits for it.
local function count_retrying(j, by)
  if j.attempt > 0 then
    redis.call('HINCRBY', key('queue-meta', j.queue), 'retrying', by)
  end
end

local function leave(j)
  if j.status == 'queued' then -- its entry stays in the list, and is skipped when it comes up
    redis.call('HINCRBY', key('queue-meta', j.queue), 'stale', 1)
    return
  end
  redis.call('ZREM', key(j.status, j.queue), j.id)
  if j.status == 'scheduled' then
    count_retrying(j, -1)
  end
end

-- The time to wait is over for a job that starts or ends.
local function stop_timer(j)
  if j.ttl then
    redis.call('ZREM', PREFIX .. 'timers', j.id)
  end
end

-- How a job enters the registry of a status. Each returns the field that keeps the time of it, if there is one.
local enter = {}

function enter.queued(j, how)
  redis.call(how.front and 'LPUSH' or 'RPUSH', key('queue', j.queue), j.id .. ':' .. j.epoch)
  wake.mark(j.queue)
  return 'enqueued_at'
end

function enter.deferred(j)
  redis.call('ZADD', key('deferred', j.queue), digits(now), j.id)
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
  redis.call('ZADD', key(status, j.queue), retention_due(j, status), j.id)
  stop_timer(j)
  if j.waited then
    redis.call('PUBLISH', key('ended', j.id), status)
  end
  return 'ended_at'
end

-- Moves a job to a status: out of the registry it is in, into the one that the status names.
--   fields  further fields to write with it, as a flat list
--   how     left: the job is out of its old registry already; front: to the front of its queue;
--           due: the end of the lease, or the time of promotion
local function move(j, status, fields, how)
  how = how or {}
  fields = fields or {}
  if j.status and not how.left then
    leave(j)
  end
  local time_field
  if TERMINAL[status] then
    time_field = enter_end(j, status)
  else
    time_field = enter[status](j, how)
  end
  if time_field then
    fields[#fields + 1] = time_field
    fields[#fields + 1] = digits(now)
  end
  redis.call('HSET', key('job', j.id), 'status', status, unpack(fields))
  j.status = status
end

-- Moves a job to where it can be claimed: its queue, or the wait for its time.
local function release(j, fields)
  if j.scheduled_for > now then
    move(j, 'scheduled', fields, { due = j.scheduled_for })
  else
    move(j, 'queued', fields, { front = j.at_front })
  end
end
