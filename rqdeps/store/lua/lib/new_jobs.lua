-- @include lib/gates
-- @include lib/group
-- lib/new_jobs: jobs to be, as `enqueue` and `stage` get them; checked before the first write, then saved with their edges.
--   ARGV   again: 1 when a first sending may have arrived, else 0 · list of queue names to register
--          number of jobs; for each:
--            id · nonce, which tells a second sending from another job with this id; empty: the id can't be another's
--            queue · delay in ms, or empty
--            list of fields: name, value, name, value, …
--            number of groups; for each: rule · list of kind, id, kind, id, …

local new_jobs = {
  all = {}, -- in the order sent
  fresh = {}, -- those that are not saved yet
  by_id = {}, -- the fresh ones
  outside = {}, -- dependencies that exist already, by their ids
}

local function read_groups()
  local groups = {}
  for g = 1, argument.number() do
    groups[g] = { rule = argument.text(), members = argument.list() }
  end
  return groups
end

local function read_job()
  local j = { id = argument.text(), nonce = argument.text(), queue = argument.text(), delay = argument.text() }
  j.given = argument.list()
  j.groups = read_groups()
  j.epoch, j.attempt, j.linked, j.scheduled_for = 1, 0, 0, 0
  for f = 1, #j.given, 2 do
    j[j.given[f]] = j.given[f + 1]
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

-- A job that can be depended on, or nil. Jobs of the same gate can see each other.
function new_jobs.find(id, gate)
  local known = new_jobs.by_id[id] or new_jobs.outside[id]
  if known then
    return known
  end
  local facts = redis.call('HMGET', key('job', id), 'status', 'epoch', 'linked', 'gate', 'deleting', 'fallback', 'stand_in',
    'joins')
  known = {
    id = id, status = facts[1], epoch = tonumber(facts[2]), linked = tonumber(facts[3] or 0), gate = facts[4] or nil,
    deleting = facts[5] or nil, fallback = facts[6] or nil, stand_in = facts[7] or nil, joins = facts[8] or nil,
  }
  if not known.status or not (gate and known.gate == gate or gates.is_visible(known)) then
    return nil
  end
  new_jobs.outside[id] = known
  return known
end

-- Tells fresh jobs from saved ones, and finds all they depend on. Returns the reply that refuses them, or nil. A job that
-- an earlier sending has saved is left as it is, also if somebody deletes it already; but what is left of a graph that was
-- given up is in the way of another with its jobs.
function new_jobs.check(gate)
  for _, j in ipairs(new_jobs.all) do
    local known = {}
    if new_jobs.again or j.nonce ~= '' then
      known = redis.call('HMGET', key('job', j.id), 'status', 'nonce', 'gate', 'deleting')
      local is_own = (known[2] or '') == j.nonce
        and (not gate or gates.is_visible({ gate = known[3], deleting = known[4] }))
      if known[1] and not is_own then
        return { 'duplicate', j.id }
      end
    end
    if known[1] then
      j.status = known[1]
    else
      new_jobs.fresh[#new_jobs.fresh + 1], new_jobs.by_id[j.id] = j, j
    end
  end
  for _, j in ipairs(new_jobs.fresh) do
    for _, group in ipairs(j.groups) do
      for m = 2, #group.members, 2 do
        if not new_jobs.find(group.members[m], gate) then
          return { 'unknown', group.members[m] }
        end
      end
    end
  end
end

-- The edges, from both ends.

local links = {} -- dependency → place, dependent, place, dependent, …

-- Links a job to a dependency in one of its groups. Returns the register.
function new_jobs.link(id, kind, group_number, group, dependency)
  local place_of_it = 0 -- a fallback comes before all others
  if kind ~= 'fallback' then
    dependency.linked = dependency.linked + 1
    place_of_it = dependency.linked
  end
  local list = links[dependency.id] or {}
  links[dependency.id] = list
  list[#list + 1] = place_of_it
  list[#list + 1] = id
  dependency.effective = dependency.effective or outcome.effective(dependency)
  local news = kind == 'fallback' and outcome.own(dependency) or dependency.effective
  group.total = group.total + 1
  edges.count(group, news, kind, 1)
  return edges.register(kind, group_number, dependency.epoch, news)
end

-- Kinds of edges by which a value is passed on, be it an error.
local TAKES_VALUE = { output = true, fallback = true }

local function write_edges(j, gate)
  if #j.groups == 0 then
    return
  end
  local fields, outputs = { '#', #j.groups }, 0
  for n, group in ipairs(j.groups) do
    group.total, group.ok, group.bad, group.skip = 0, 0, 0, 0
    for m = 1, #group.members, 2 do
      local kind, id = group.members[m], group.members[m + 1]
      fields[#fields + 1] = id
      fields[#fields + 1] = new_jobs.link(j.id, kind, n - 1, group, new_jobs.find(id, gate))
      if TAKES_VALUE[kind] then
        outputs = outputs + 1
      end
    end
    fields[#fields + 1] = '#' .. (n - 1)
    fields[#fields + 1] = edges.group_text(group)
  end
  redis.call('HSET', edges.deciding(j), unpack(fields))
  j.outputs = outputs > 0 and outputs or nil
end

-- Saves the edges of all fresh jobs.
function new_jobs.save_edges(gate)
  for _, j in ipairs(new_jobs.fresh) do
    write_edges(j, gate)
  end
end

-- Writes what `link` has gathered at the dependencies' ends.
function new_jobs.save_links()
  for id, list in pairs(links) do
    redis.call('ZADD', key('dependents', id), unpack(list))
    local outside = new_jobs.outside[id]
    if outside then
      redis.call('HSET', key('job', id), 'linked', outside.linked)
    end
  end
end

-- Enters fresh jobs into their workflows, in the order sent. A workflow's own job is no member: it joins them.
function new_jobs.enter_workflows()
  local members, queues = {}, {}
  for _, j in ipairs(new_jobs.fresh) do
    if job.is_workflow(j) then
      redis.call('ZADD', PREFIX .. 'workflows', digits(now), j.id)
    elseif j.workflow then
      members[j.workflow] = members[j.workflow] or {}
      table.insert(members[j.workflow], j.id)
      queues[j.workflow] = queues[j.workflow] or {}
      queues[j.workflow][j.queue] = true
    end
  end
  for workflow, ids in pairs(members) do
    local last, list = redis.call('HINCRBY', key('workflow', workflow), 'entered', #ids), {}
    for i, id in ipairs(ids) do
      list[#list + 1] = last - #ids + i
      list[#list + 1] = id
    end
    redis.call('ZADD', key('workflow-jobs', workflow), unpack(list))
    for queue in pairs(queues[workflow]) do
      redis.call('HSET', key('workflow', workflow), 'queue:' .. queue, 1)
    end
  end
end

-- Enters fresh jobs into their groups.
function new_jobs.enter_groups()
  for _, j in ipairs(new_jobs.fresh) do
    if j.group then
      enter_group(j)
    end
  end
end

function new_jobs.register_queues()
  for _, queue in ipairs(new_jobs.queues) do
    redis.call('SADD', PREFIX .. 'queues', queue)
  end
end

-- The fields of a fresh job's hash; the long ones are written.
function new_jobs.fields_of(j)
  local fields = { 'queue', j.queue, 'epoch', 1, 'created_at', digits(now) }
  local function add(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  for f = 1, #j.given, 2 do
    job.put(fields, j.id, j.given[f], j.given[f + 1])
  end
  if j.delay ~= '' then
    add('scheduled_for', digits(j.scheduled_for))
  end
  if j.linked > 0 then
    add('linked', j.linked)
  end
  if j.outputs then
    add('outputs', j.outputs)
  end
  if j.nonce ~= '' then
    add('nonce', j.nonce)
  end
  return fields
end
