-- @include lib/move
-- @include lib/arrivals
-- lib/new_jobs: jobs to be, as `enqueue` and `stage` get them; checked before the first write, then saved with their edges.
--   ARGV   again: 1 when a first sending may have arrived, else 0 · list of queue names to register
--          number of jobs; for each:
--            id · nonce, which tells a second sending from another job with this id; empty: the id can't be another's;
--            `=`: nor can this one, but an earlier call may have saved the job
--            queue · delay in ms, or empty
--            list of fields: name, value, name, value, …
--            number of groups; for each: rule · list of kind, id, kind, id, …

local new_jobs = {
  all = {}, -- in the order sent
  fresh = {}, -- those that are not saved yet
  by_id = {}, -- the fresh ones
}

local NO_GROUPS = {}

local function read_groups(count)
  if count == 0 then
    return NO_GROUPS
  end
  local groups = {}
  for g = 1, count do
    groups[g] = { rule = argument.text(), members = argument.list() }
  end
  return groups
end

-- What a job is that nothing is said of.
local OF_A_NEW_JOB = { __index = { epoch = FIRST_EPOCH, attempt = 0, linked = 0, scheduled_for = 0 } }

local function read_job()
  local id, nonce, queue, delay, count = argument.texts(5)
  local given = { argument.texts(tonumber(count)) }
  local j = setmetatable({
    id = id, queue = queue, delay = delay, given = given, groups = read_groups(argument.number()),
    nonce = nonce == ITSELF and '' or nonce, may_be_there = nonce ~= '',
    status = nil, ['function'] = nil, payload = nil, -- which are yet to come: there is room for them
  }, OF_A_NEW_JOB)
  for f = 1, #given, 2 do
    j[given[f]] = given[f + 1]
  end
  j.scheduled_for = tonumber(j.scheduled_for)
  if j.delay ~= '' then
    j.scheduled_for = now + tonumber(j.delay)
  end
  return j
end

function new_jobs.read()
  new_jobs.again = argument.text() == '1'
  new_jobs.queues = argument.list()
  for i = 1, argument.number() do
    new_jobs.all[i] = read_job()
  end
end

local function may_be_there(j)
  return new_jobs.again or j.may_be_there
end

-- Tells fresh jobs from saved ones. Returns the reply that refuses them, or nil. A job that an earlier sending has saved is
-- left as it is, also if somebody deletes it already; but what is left of a graph that was given up is in the way of another
-- with its jobs.
--   is_there  see lib/arrivals
function new_jobs.check(is_there)
  local ids, nonces = {}, {}
  for _, j in ipairs(new_jobs.all) do
    if may_be_there(j) then
      ids[#ids + 1], nonces[#nonces + 1] = j.id, j.nonce
    end
  end
  local statuses, other = already_there(ids, nonces, is_there)
  if other then
    return { 'duplicate', other }
  end
  for _, j in ipairs(new_jobs.all) do
    j.status = statuses[j.id]
    if not j.status then
      new_jobs.fresh[#new_jobs.fresh + 1], new_jobs.by_id[j.id] = j, j
    end
  end
end

function new_jobs.register_queues()
  register_queues(new_jobs.queues, 1, #new_jobs.queues)
end

-- The fields of a fresh job's hash, but for its status and times; the long ones are written.
function new_jobs.fields_of(j)
  local fields = { 'queue', j.queue }
  for f = 1, #j.given, 2 do
    job.put(fields, j.id, j.given[f], j.given[f + 1])
  end
  if j.delay ~= '' then
    job.put(fields, j.id, 'scheduled_for', digits(j.scheduled_for))
  end
  if j.linked > 0 then
    job.put(fields, j.id, 'linked', digits(j.linked))
  end
  if j.outputs then
    job.put(fields, j.id, 'outputs', digits(j.outputs))
  end
  if j.nonce ~= '' then
    job.put(fields, j.id, 'nonce', j.nonce)
  end
  return fields
end
