-- @include lib/base
-- lib/job: a job's hash, read and written.

local job = {}

local TERMINAL = {
  finished = true, failed = true, stopped = true, canceled = true, upstream_failed = true, skipped = true,
}

-- What a job's numbers are where its hash has none. All fields that are read as numbers stand here.
local NUMBERS = {
  epoch = FIRST_EPOCH, fence = 0, attempt = 0, failures = 0, deaths = 0, retries = 0, linked = 0, scheduled_for = 0,
}
local OF_A_JOB = { __index = NUMBERS }

-- A job of which only these fields are known, as there are no others that matter.
function job.plain(facts)
  return setmetatable(facts, OF_A_JOB)
end

-- The job with this id, or nil: its fields by their names, numbers as numbers, and its `id`.
function job.read(id)
  local fields = redis.call('HGETALL', key('job', id))
  if #fields == 0 then
    return nil
  end
  local j = setmetatable({ id = id }, OF_A_JOB)
  for f = 1, #fields, 2 do
    local name, value = fields[f], fields[f + 1]
    j[name] = NUMBERS[name] and tonumber(value) or value
  end
  if j.deleting then -- the policy; behind it `open` if the job had not ended, `members` if a workflow's go with it
    j.policy, j.open = string.match(j.deleting, '^%a+'), string.find(j.deleting, ':open', 1, true) ~= nil
    j.takes_members = string.find(j.deleting, ':members', 1, true) ~= nil
  end
  return j
end

-- Adds a field to a list of fields to be written; a long value goes to a key of its own, and the field says `@`.
function job.put(fields, id, name, value)
  if is_long(value) then
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

-- Whether anybody below a job is to hear how it ends, or that it lives again.
function job.has_listeners(j)
  return j.linked > 0 or j.fallback or j.deleting
end

-- @include lib/job_details
setmetatable(job, { __index = job_details })
