-- @include lib/remove
-- lib/forget: what becomes of a job that has ended, when it is due.

local POSTPONE_MS = 10 * 60 * 1000 -- when to look again at a job that is still needed

-- Whether somebody has yet to be told of a job's end, or the job of the end of the one it stands in for.
local function has_news(j)
  local waiting, up = PREFIX .. 'cascades', job.above(j)
  if j.reopening or up and up.reopening then
    return true
  end
  return redis.call('ZSCORE', waiting, j.id) or up and (not TERMINAL[up.status] or redis.call('ZSCORE', waiting, up.id))
end

-- Whether a dependent may still read a job. Most do until they have finished. What has joined the job passes its value on as
-- long as it has its own; a workflow reads nothing; and a fallback reads how its job failed, and stays as long as that.
--   is_own  whether it is not read in place of another
local function may_read(source, dependent, is_own)
  if dependent == source.workflow then
    return false
  end
  local facts = redis.call('HMGET', key('job', dependent), 'status', 'gives', 'result')
  local status, gives, result = facts[1], facts[2], facts[3]
  if not status then
    return false
  elseif dependent == source.fallback then
    return is_own and not TERMINAL[status]
  elseif dependent == source.spawned_by then
    return gives and (status ~= 'finished' or result) and redis.call('HEXISTS', key('joins', dependent), source.id) == 1
  end
  return status ~= 'finished'
end

-- Whether a dependent may still read this job, or a job that it stands in for: 'yes', 'no', or 'unknown' after a budget of
-- looks; the next call goes on where this one stopped. Also returns the number of looks.
local function is_needed(j)
  local height, after = string.match(j.checked or '0:-1', '^(%d+):(-?%d+)$')
  local source, looks = j, 0
  for _ = 1, height do
    source = source and job.above(source)
  end
  while source do
    local page = {}
    if source.linked > 0 or source.fallback then
      page = redis.call('ZRANGEBYSCORE', key('dependents', source.id), '(' .. after, '+inf', 'WITHSCORES',
        'LIMIT', 0, BUDGET - looks)
    end
    for i = 1, #page, 2 do
      looks = looks + 1
      after = page[i + 1]
      if may_read(source, page[i], source == j) then
        return 'yes', looks
      end
    end
    if looks >= BUDGET then
      redis.call('HSET', key('job', j.id), 'checked', height .. ':' .. after)
      return 'unknown', looks
    end
    source, height, after = job.above(source), height + 1, '-1'
  end
  return 'no', looks
end

-- Until when a job that nobody reads any more is kept all the same, by its record; '+inf' until its workflow goes.
local function record_kept_until(j)
  if j.workflow then
    local has_ended = TERMINAL[redis.call('HGET', key('job', j.workflow), 'status')]
    return has_ended and '+inf' or now + POSTPONE_MS
  end
  local keep_until = tonumber(j.ended_at) + KEEP_RECORD_MS
  if j.repeat_due then
    keep_until = math.max(keep_until, math.max(tonumber(j.repeat_due), now) + POSTPONE_MS)
  end
  if keep_until <= now and job.above(j) then -- the job that it stands in for may live, and fail, again
    keep_until = now + POSTPONE_MS
  end
  return keep_until > now and keep_until
end

-- Handles an ended job that is due: drops its value, deletes it, or looks again later. Returns what it cost in edges.
local function forget(j, budget)
  local registry = key(j.status, j.queue)
  local needed, looks = 'yes', 0
  if not has_news(j) then -- what is being deleted has, and goes when its cascade has come to an end
    needed, looks = is_needed(j)
  end
  if needed == 'unknown' then
    return looks
  end
  local keep_until = needed == 'no' and record_kept_until(j)
  if needed == 'yes' then
    redis.call('ZADD', registry, digits(now + POSTPONE_MS), j.id)
    redis.call('HDEL', key('job', j.id), 'checked')
  elseif keep_until then
    redis.call('ZADD', registry, keep_until == '+inf' and keep_until or digits(keep_until), j.id)
    job.drop(j, { 'result', 'checked' })
  else
    looks = looks + remove.now(j, budget - looks)
  end
  return looks + 2
end
