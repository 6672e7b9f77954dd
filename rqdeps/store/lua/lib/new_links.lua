-- @include lib/gates
-- @include lib/group
-- lib/new_links: what jobs to be depend on, and the workflows and groups that they are in.

local new_links = {}

local outside = {} -- dependencies that exist already, by their ids

-- A job that can be depended on, or nil. Jobs of the same gate can see each other.
function new_links.find(id, gate)
  local known = new_jobs.by_id[id] or outside[id]
  if known then
    return known
  end
  local facts = redis.call('HMGET', key('job', id), 'status', 'epoch', 'linked', 'gate', 'deleting', 'fallback', 'stand_in',
    'joins')
  known = {
    id = id, status = facts[1], epoch = epoch_of(facts[2]), linked = tonumber(facts[3] or 0), gate = facts[4] or nil,
    deleting = facts[5] or nil, fallback = facts[6] or nil, stand_in = facts[7] or nil, joins = facts[8] or nil,
  }
  if not known.status or not (gate and known.gate == gate or gates.is_visible(known)) then
    return nil
  end
  outside[id] = known
  return known
end

-- Finds all that fresh jobs depend on. Returns the reply that refuses them, or nil.
function new_links.check(gate)
  for _, j in ipairs(new_jobs.fresh) do
    for _, group in ipairs(j.groups) do
      for m = 2, #group.members, 2 do
        if not new_links.find(group.members[m], gate) then
          return { 'unknown', group.members[m] }
        end
      end
    end
  end
end

-- The edges, from both ends.

local links = {} -- dependency → place, dependent, place, dependent, …

-- Links a job to a dependency in one of its groups. Returns the register.
function new_links.link(id, kind, group_number, group, dependency)
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
new_links.TAKES_VALUE = { output = true, fallback = true }

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
      fields[#fields + 1] = new_links.link(j.id, kind, n - 1, group, new_links.find(id, gate))
      if new_links.TAKES_VALUE[kind] then
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
function new_links.save_edges(gate)
  for _, j in ipairs(new_jobs.fresh) do
    write_edges(j, gate)
  end
end

-- Writes what `link` has gathered at the dependencies' ends.
function new_links.save()
  for id, list in pairs(links) do
    redis.call('ZADD', key('dependents', id), unpack(list))
    if outside[id] then
      redis.call('HSET', key('job', id), 'linked', outside[id].linked)
    end
  end
end

-- Enters fresh jobs into their workflows, in the order sent. A workflow's own job is no member: it joins them.
function new_links.enter_workflows()
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
function new_links.enter_groups()
  for _, j in ipairs(new_jobs.fresh) do
    if j.group then
      enter_group(j)
    end
  end
end

return new_links
