-- take: takes graphs of waiting jobs out of RQ, each whole or not at all, and marks them as taken.
--   KEYS   marks
--   ARGV   RQ's prefix · how close to its time a scheduled job is left to RQ's scheduler, in seconds
--          number of lists of names of fields; for each: list of names
--          number of graphs; for each: number of jobs; for each of these:
--            its mark's name · the mark before · the mark after
--            id · place · queue · its score there, or how often it stands in the list · number of a list of names, from 1
--            digest of these fields · group, or empty · list of dependents · list of dependencies outside of the graph
--   reply  for each graph: 'taken', now or by an earlier sending · 'changed': not all is as it was read
--          'due': RQ's scheduler may be moving one of its jobs just now

local marks, prefix, margin = KEYS[1], ARGV[1] .. ':', tonumber(ARGV[2])
local at = 2
local now = tonumber(redis.call('TIME')[1])

local function text()
  at = at + 1
  return ARGV[at]
end

local function number()
  return tonumber(text())
end

local function list()
  local items = {}
  for i = 1, number() do
    items[i] = text()
  end
  return items
end

local function read_job()
  return {
    mark = text(), before = text(), after = text(), id = text(), place = text(), queue = text(), score = number(),
    names = number(), digest = text(), group = text(), dependents = list(), outside = list(),
  }
end

local function job_key(id)
  return prefix .. 'job:' .. id
end

local function place_key(job)
  return prefix .. job.place .. ':' .. job.queue
end

local function is_in_place(job)
  if job.place ~= 'queue' then
    local score = redis.call('ZSCORE', place_key(job), job.id)
    return score and tonumber(score) == job.score
  end
  return redis.call('LPOS', place_key(job), job.id)
    and not redis.call('LPOS', place_key(job) .. ':intermediate', job.id)
end

local function digest(values)
  for i, value in ipairs(values) do
    values[i] = #value .. ':' .. value
  end
  return redis.sha1hex(table.concat(values))
end

local function is_unchanged(job, names)
  if redis.call('HLEN', job_key(job.id)) ~= #names then
    return false
  end
  local values = redis.call('HMGET', job_key(job.id), unpack(names))
  for i = 1, #names do
    if not values[i] then
      return false
    end
  end
  return digest(values) == job.digest
end

local function has_these_dependents(job)
  local key = job_key(job.id) .. ':dependents'
  if redis.call('SCARD', key) ~= #job.dependents then
    return false
  end
  for _, id in ipairs(job.dependents) do
    if redis.call('SISMEMBER', key, id) == 0 then
      return false
    end
  end
  return true
end

-- RQ's scheduler reads what is due, and moves it in a second step that does not look whether it is still there.
local function may_be_moved_by_scheduler(job)
  return job.place == 'scheduled' and job.score <= now + margin
    and redis.call('EXISTS', prefix .. 'scheduler-lock:' .. job.queue) == 1
end

-- Why a graph can't be taken, or nil.
local function refusal(jobs, name_lists)
  for _, job in ipairs(jobs) do
    if redis.call('HGET', marks, job.mark) ~= job.before or not is_in_place(job)
      or not is_unchanged(job, name_lists[job.names]) or not has_these_dependents(job) then
      return 'changed'
    elseif may_be_moved_by_scheduler(job) then
      return 'due'
    end
  end
end

local function take(jobs)
  for _, job in ipairs(jobs) do -- first, as a server that is full refuses these, and then nothing has been done
    redis.call('HSET', marks, job.mark, job.after)
  end
  for _, job in ipairs(jobs) do
    if job.place == 'queue' then
      redis.call('LREM', place_key(job), job.score, job.id)
    else
      redis.call('ZREM', place_key(job), job.id)
    end
    for _, dependency in ipairs(job.outside) do -- also lets a worker that is about to release the job look again
      redis.call('SREM', job_key(dependency) .. ':dependents', job.id)
    end
    if job.group ~= '' then
      redis.call('SREM', prefix .. 'group:' .. job.group, job.id)
    end
    redis.call('DEL', job_key(job.id), job_key(job.id) .. ':dependents', job_key(':' .. job.id) .. ':dependencies',
      prefix .. 'results:' .. job.id, prefix .. 'executions:' .. job.id)
  end
end

local name_lists = {}
for i = 1, number() do
  name_lists[i] = list()
end
local replies = {}
for g = 1, number() do
  local jobs = {}
  for i = 1, number() do
    jobs[i] = read_job()
  end
  if redis.call('HGET', marks, jobs[1].mark) == jobs[1].after then -- it is whole in every call
    replies[g] = 'taken'
  else
    replies[g] = refusal(jobs, name_lists) or 'taken'
    if replies[g] == 'taken' then
      take(jobs)
    end
  end
end
return replies
