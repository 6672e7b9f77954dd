-- lib/job_details: what is asked of a job's hash, or done with it, now and then; found in `job`.

local job_details = {}

-- Whether a job is a workflow's: it has no function, and joins the workflow's members.
function job_details.is_workflow(j)
  return j['function'] == ''
end

-- The job whose place a job takes as its fallback, or nil.
function job_details.above(j)
  local above = j.fallback_of and job.read(j.fallback_of)
  return above and above.fallback == j.id and above or nil
end

-- Removes fields of a job, also where they are long.
function job_details.drop(j, names)
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
function job_details.retries_at_front(j)
  return j.attempt > 0 and j.retry and string.sub(job.text(j.id, 'retry', j.retry), 1, 1) == '^'
end

-- Notes why an attempt did not finish: a line of facts, then what the worker wrote about it. The last 10 are kept.
function job_details.note_attempt(j, outcome, text)
  local facts = { j.attempt, j.started_at or 0, digits(now), outcome, j.holder or '-' }
  redis.call('RPUSH', key('attempts', j.id), table.concat(facts, ' ') .. '\n' .. text)
  redis.call('LTRIM', key('attempts', j.id), -10, -1)
end

return job_details
