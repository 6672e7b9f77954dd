-- @include lib/base
-- lib/job: a job's hash, read and written.

local job = {}

local NUMBERS = { 'epoch', 'fence', 'attempt', 'failures', 'deaths', 'retries', 'linked', 'scheduled_for' }

-- The job with this id, or nil: its fields by their names, numbers as numbers, and its `id`.
function job.read(id)
  local fields = redis.call('HGETALL', key('job', id))
  if #fields == 0 then
    return nil
  end
  local j = { id = id }
  for f = 1, #fields, 2 do
    j[fields[f]] = fields[f + 1]
  end
  for _, name in ipairs(NUMBERS) do
    j[name] = tonumber(j[name] or 0)
  end
  if j.deleting then -- the policy; behind it `open` if the job had not ended, `members` if a workflow's go with it
    j.policy, j.open = string.match(j.deleting, '^%a+'), string.find(j.deleting, ':open', 1, true) ~= nil
    j.takes_members = string.find(j.deleting, ':members', 1, true) ~= nil
  end
  return j
end

-- Whether a job is a workflow's: it has no function, and joins the workflow's members.
function job.is_workflow(j)
  return j['function'] == ''
end

-- The job whose place a job takes as its fallback, or nil.
function job.above(j)
  local above = j.fallback_of and job.read(j.fallback_of)
  return above and above.fallback == j.id and above or nil
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

-- Removes fields of a job, also where they are long.
function job.drop(j, names)
  local keys = {}
  for _, name in ipairs(names) do
    if j[name] == '@' then
      keys[#keys + 1] = key(name, j.id)
    end
    j[name] = nil
  end
  if #keys > 0 then
    redis.call('UNLINK', unpack(keys))
  end
  redis.call('HDEL', key('job', j.id), unpack(names))
end

-- Whether a job goes to the front of its queue for another attempt.
function job.retries_at_front(j)
  return j.attempt > 0 and j.retry and string.sub(job.text(j.id, 'retry', j.retry), 1, 1) == '^'
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
