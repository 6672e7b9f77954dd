-- @include lib/base
-- lib/job: a job's hash, read and written.

local job = {}

-- What deciding about a job and moving it takes. Every table called `j` holds these, and its `id`.
local CORE = {
  'status', 'queue', 'epoch', 'fence', 'holder', 'attempt', 'failures', 'deaths', 'begun', 'retries',
  'linked', 'waited', 'ttl', 'result_ttl', 'failure_ttl', 'at_front', 'scheduled_for', 'started_at',
}
local CORE_NUMBERS = {
  'epoch', 'fence', 'attempt', 'failures', 'deaths', 'retries', 'linked', 'scheduled_for',
}

-- The job with this id, or nil. `more` names further fields to read.
function job.read(id, more)
  local names = { unpack(CORE) }
  for _, name in ipairs(more or {}) do
    names[#names + 1] = name
  end
  local values = redis.call('HMGET', key('job', id), unpack(names))
  if not values[1] then
    return nil
  end
  local j = { id = id }
  for i, name in ipairs(names) do
    j[name] = values[i] or nil
  end
  for _, name in ipairs(CORE_NUMBERS) do
    j[name] = tonumber(j[name] or 0)
  end
  return j
end

-- Adds a field to a list of fields to be written; a long value goes to a key of its own, and the field says `@`.
function job.put(fields, id, name, value)
  if #value > INLINE_BYTES or value == '@' then
    redis.call('SET', key(name, id), value)
    value = '@'
  end
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

-- The text that a field of a job stands for.
function job.text(id, name, value)
  if value == '@' then
    return redis.call('GET', key(name, id))
  end
  return value
end

-- Notes why an attempt did not finish: a line of facts, then what the worker wrote about it. The last 10 are kept.
function job.note_attempt(j, outcome, text)
  local facts = { j.attempt, j.started_at or 0, digits(now), outcome, j.holder or '-' }
  redis.call('RPUSH', key('attempts', j.id), table.concat(facts, ' ') .. '\n' .. text)
  redis.call('LTRIM', key('attempts', j.id), -10, -1)
end

local TERMINAL = {
  finished = true, failed = true, stopped = true, canceled = true, upstream_failed = true, skipped = true,
}
