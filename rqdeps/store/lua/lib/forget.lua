-- @include lib/move
-- lib/forget: deletes a job that has ended, once nobody may need it any more.

-- Everything of a job that may stand in a key of its own.
local PARTS = {
  'job', 'payload', 'result', 'meta', 'function', 'retry', 'description', 'reason', 'attempts', 'dependencies', 'dependents',
}
local POSTPONE_MS = 10 * 60 * 1000 -- when to look again at a job that is still needed

-- Whether a dependent that has not finished may still read this job: 'yes', 'no', or 'unknown' after a budget of looks;
-- the next call goes on where this one stopped. Also returns the number of looks.
local function is_needed(j)
  if j.linked == 0 then
    return 'no', 0
  end
  local after = tonumber(j.checked or 0)
  local page = redis.call('ZRANGEBYSCORE', key('dependents', j.id), '(' .. digits(after), '+inf', 'WITHSCORES',
    'LIMIT', 0, BUDGET)
  for i = 1, #page, 2 do
    local status = redis.call('HGET', key('job', page[i]), 'status')
    if status and status ~= 'finished' then
      return 'yes', (i + 1) / 2
    end
    after = page[i + 1]
  end
  if #page < 2 * BUDGET then
    return 'no', #page / 2
  end
  redis.call('HSET', key('job', j.id), 'checked', after)
  return 'unknown', BUDGET
end

local function delete(j)
  local looks = 0
  for _, field in ipairs(redis.call('HKEYS', key('dependencies', j.id))) do
    if string.sub(field, 1, 1) ~= '#' then
      redis.call('ZREM', key('dependents', field), j.id)
      looks = looks + 1
    end
  end
  local keys = {}
  for i, part in ipairs(PARTS) do
    keys[i] = key(part, j.id)
  end
  redis.call('UNLINK', unpack(keys))
  redis.call('ZREM', key(j.status, j.queue), j.id)
  return looks
end

-- Handles an ended job that is due: drops its value, deletes it, or looks again later. Returns what it cost in edges.
local function forget(j)
  local needed, looks = is_needed(j)
  if needed == 'unknown' then
    return looks
  end
  local registry = key(j.status, j.queue)
  local record_due = tonumber(j.ended_at) + KEEP_RECORD_MS
  if needed == 'yes' then
    redis.call('ZADD', registry, digits(now + POSTPONE_MS), j.id)
    redis.call('HDEL', key('job', j.id), 'checked')
  elseif record_due > now then
    redis.call('ZADD', registry, digits(record_due), j.id)
    redis.call('HDEL', key('job', j.id), 'result', 'checked')
    redis.call('UNLINK', key('result', j.id))
  else
    looks = looks + delete(j)
  end
  return looks + 2
end
