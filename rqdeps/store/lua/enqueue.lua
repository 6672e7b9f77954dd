-- @include lib/resolve
-- enqueue: saves jobs with all their dependencies, and puts those that may run where they can be claimed.
--   KEYS   prefix
--   ARGV   again: 1 when a first sending may have arrived, else 0 · list of queue names to register
--          number of jobs; for each:
--            id · nonce, which tells a second sending from another job with this id; empty: the id can't be another's
--            queue · delay in ms, or empty
--            list of fields: name, value, name, value, …
--            number of groups; for each: rule · list of kind, id, kind, id, …
--   reply  {'ok', cascades left, {status of each job}} · {'duplicate', id} · {'unknown', id}

local again = argument.text() == '1'
local queues = argument.list()

local function read_groups()
  local groups = {}
  for g = 1, argument.number() do
    groups[g] = { rule = argument.text(), members = argument.list() }
  end
  return groups
end

local all = {}
for i = 1, argument.number() do
  local j = { id = argument.text(), nonce = argument.text(), queue = argument.text(), delay = argument.text() }
  j.given = argument.list()
  j.groups = read_groups()
  j.epoch, j.attempt, j.linked, j.scheduled_for = 1, 0, 0, 0
  all[i] = j
end

-- Everything is checked before the first write. A job that an earlier sending has saved is left as it is.

local jobs, by_id = {}, {}
for _, j in ipairs(all) do
  local known = {}
  if again or j.nonce ~= '' then
    known = redis.call('HMGET', key('job', j.id), 'status', 'nonce')
    if known[1] and (known[2] or '') ~= j.nonce then
      return { 'duplicate', j.id }
    end
  end
  if known[1] then
    j.status = known[1]
  else
    jobs[#jobs + 1], by_id[j.id] = j, j
  end
end

local outside = {}
for _, j in ipairs(jobs) do
  for _, group in ipairs(j.groups) do
    for m = 2, #group.members, 2 do
      local id = group.members[m]
      if not by_id[id] and not outside[id] then
        local known = redis.call('HMGET', key('job', id), 'status', 'epoch', 'linked')
        if not known[1] then
          return { 'unknown', id }
        end
        outside[id] = { status = known[1], epoch = known[2], linked = tonumber(known[3] or 0) }
      end
    end
  end
end

-- The edges, from both ends.

local links = {} -- dependency → order, dependent, order, dependent, …

local function link(j, id)
  local dependency = by_id[id] or outside[id]
  dependency.linked = dependency.linked + 1
  local list = links[id] or {}
  links[id] = list
  list[#list + 1] = dependency.linked
  list[#list + 1] = j.id
  return dependency
end

local function write_edges(j)
  local fields = { '#', #j.groups }
  local outputs = 0
  for n, group in ipairs(j.groups) do
    group.total, group.ok, group.bad, group.skip = #group.members / 2, 0, 0, 0
    for m = 1, #group.members, 2 do
      local kind, id = group.members[m], group.members[m + 1]
      local dependency = link(j, id)
      local outcome = TERMINAL[dependency.status] and dependency.status or ''
      if outcome ~= '' then
        local count = edges.count_of(outcome)
        group[count] = group[count] + 1
      end
      if kind == 'output' then
        outputs = outputs + 1
      end
      fields[#fields + 1] = id
      fields[#fields + 1] = edges.register(kind, n - 1, dependency.epoch, outcome)
    end
    fields[#fields + 1] = '#' .. (n - 1)
    fields[#fields + 1] = edges.group_text(group)
  end
  redis.call('HSET', key('dependencies', j.id), unpack(fields))
  return outputs
end

for _, j in ipairs(jobs) do
  j.outputs = #j.groups > 0 and write_edges(j) or 0
end
for id, list in pairs(links) do
  redis.call('ZADD', key('dependents', id), unpack(list))
  if outside[id] then
    redis.call('HSET', key('job', id), 'linked', outside[id].linked)
  end
end

-- The jobs themselves.

for _, queue in ipairs(queues) do
  redis.call('SADD', PREFIX .. 'queues', queue)
end

local function fields_of(j)
  local fields = { 'queue', j.queue, 'epoch', 1, 'created_at', digits(now) }
  local function add(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  for f = 1, #j.given, 2 do
    local name, value = j.given[f], j.given[f + 1]
    j[name] = value
    job.put(fields, j.id, name, value)
  end
  j.scheduled_for = tonumber(j.scheduled_for)
  if j.delay ~= '' then
    j.scheduled_for = now + tonumber(j.delay)
    add('scheduled_for', digits(j.scheduled_for))
  end
  if j.linked > 0 then
    add('linked', j.linked)
  end
  if j.outputs > 0 then
    add('outputs', j.outputs)
  end
  if j.nonce ~= '' then
    add('nonce', j.nonce)
  end
  return fields
end

local function is_for_front(j)
  for f = 1, #j.given, 2 do
    if j.given[f] == 'at_front' then
      return true
    end
  end
  return false
end

local function place(j)
  local fields = fields_of(j)
  if j.ttl then
    redis.call('ZADD', PREFIX .. 'timers', digits(math.max(now, j.scheduled_for) + j.ttl), j.id)
  end
  local decision = verdict(j.groups)
  if decision == 'queued' then
    release(j, fields)
  elseif decision == 'deferred' then
    move(j, 'deferred', fields)
  else
    resolve.finish(j, decision, fields)
  end
end

-- Those that go to the front go in reverse, so that the first of them comes first.
local to_front = {}
for _, j in ipairs(jobs) do
  if is_for_front(j) then
    table.insert(to_front, 1, j)
  else
    place(j)
  end
end
for _, j in ipairs(to_front) do
  place(j)
end

local left = resolve.deliver(BUDGET)
wake.flush()

local statuses = {}
local told = #resolve.work > 0 -- then some of these jobs may have moved on
for i, j in ipairs(all) do
  statuses[i] = told and redis.call('HGET', key('job', j.id), 'status') or j.status
end
return { 'ok', left, statuses }
