-- @include lib/new_jobs
-- @include lib/new_links
-- stage: saves a piece of a graph behind a gate, where nobody sees it until the gate is opened.
--   KEYS   prefix
--   ARGV   gate · number of this piece, from 1
--          the job that spawns the graph, or empty · the fence of its claim · list of rules: the groups that it will join
--          1 if the graph depends on jobs outside of it, else 0
--          the jobs, see lib/new_jobs · list of their places in the order of the graph
--          number of jobs of this or earlier pieces that get more dependencies; for each:
--            id, or the gate for the job that spawns the graph · list of group, kind, id, group, kind, id, …
--   reply  {'ok'} · {'given up'} · {'lost'}: the claim is · {'duplicate', id} · {'unknown', id}
--          {'abandoned', gate}: an earlier attempt of the job that spawns left that behind, to be given up first

local gate, number = argument.text(), argument.number()
local spawner, fence, rules_of_join = argument.text(), argument.text(), argument.list()
local depends_on_others = argument.text() == '1'
if spawner ~= '' and not gates.is_held(spawner, fence) then
  return { 'lost' }
end
local reply = gates.reply_to_piece(gate, number)
if reply then
  return reply
end

if spawner ~= '' then
  local left_behind = redis.call('HGET', key('job', spawner), 'spawning')
  if left_behind and left_behind ~= gate and gates.is_closed(left_behind) then
    return { 'abandoned', left_behind }
  end
end

new_jobs.read()
local places = argument.list()
local refusal = new_jobs.check(gates.is_visible) or new_links.check(gate)
if refusal then
  return refusal
end

-- The job that gets more dependencies: the hash of its registers, and the id by which it is linked.
local function taker(id)
  if id == gate then
    return { hash = key('joins', gate), id = spawner }
  end
  local j = new_links.find(id, gate)
  -- A job that an earlier call has saved has its edges already.
  return j and (new_jobs.by_id[id] or j.gate == gate) and { hash = edges.deciding(j), id = id }
end

local further = {}
for i = 1, argument.number() do
  local more = taker(argument.text())
  local list = argument.list()
  if more then
    more.list = list
    further[#further + 1] = more
    for m = 3, #list, 3 do
      if not new_links.find(list[m], gate) then
        return { 'unknown', list[m] }
      end
    end
  end
end

gates.note_piece(gate, number)

-- What the job that spawns the graph will join has no members yet.
local function prepare_join()
  gates.note_spawner(gate, spawner, fence)
  local fields = { '#', #rules_of_join }
  for n, rule in ipairs(rules_of_join) do
    fields[#fields + 1] = '#' .. (n - 1)
    fields[#fields + 1] = edges.group_text({ rule = rule, total = 0, ok = 0, bad = 0, skip = 0 })
  end
  redis.call('HSET', key('joins', gate), unpack(fields))
  if depends_on_others then -- from now on, circles can be closed through it
    redis.call('INCR', PREFIX .. 'links')
  end
end

-- What is spawned belongs to the workflow of its spawner, cleans up if that does, and is kept as long.
local function inherit()
  local inherited = { 'workflow', 'cleans_up', 'result_ttl', 'failure_ttl' }
  local facts = redis.call('HMGET', key('job', spawner), unpack(inherited))
  for _, j in ipairs(facts[1] and new_jobs.fresh or {}) do
    for i, name in ipairs(inherited) do
      if facts[i] and not j[name] then
        j[name] = facts[i]
        table.insert(j.given, name)
        table.insert(j.given, facts[i])
      end
    end
  end
end

if spawner ~= '' then
  if number == 1 then
    prepare_join()
  end
  inherit()
end

new_links.save_edges(gate)
for _, more in ipairs(further) do
  local fields, outputs, used = {}, 0, {}
  local groups = edges.read_groups(more.hash)
  for m = 1, #more.list, 3 do
    local n, kind, id = tonumber(more.list[m]), more.list[m + 1], more.list[m + 2]
    fields[#fields + 1] = id
    fields[#fields + 1] = new_links.link(more.id, kind, n, groups[n + 1], new_links.find(id, gate))
    used[n] = true
    if new_links.TAKES_VALUE[kind] then
      outputs = outputs + 1
    end
  end
  for n in pairs(used) do
    fields[#fields + 1] = '#' .. n
    fields[#fields + 1] = edges.group_text(groups[n + 1])
  end
  redis.call('HSET', more.hash, unpack(fields))
  if outputs > 0 and more.id ~= spawner then -- the spawner takes them once it has run
    local fresh = new_jobs.by_id[more.id]
    if fresh then
      fresh.outputs = (fresh.outputs or 0) + outputs
    else
      redis.call('HINCRBY', key('job', more.id), 'outputs', outputs)
    end
  end
end
new_links.save()
new_links.enter_workflows()
new_links.enter_groups()
new_jobs.register_queues()

local staged = {}
for i, j in ipairs(new_jobs.all) do
  if new_jobs.by_id[j.id] then
    local fields = new_jobs.fields_of(j)
    redis.call('HSET', key('job', j.id), 'status', 'created', 'created_at', digits(now), 'gate', gate, unpack(fields))
    table.insert(staged, places[i])
    table.insert(staged, j.id)
    if j.workflow and not job.is_workflow(j) then
      transitions.count_in_workflow(j, 'created')
    end
  end
end
if #staged > 0 then
  redis.call('ZADD', key('gate', gate), unpack(staged))
end
return { 'ok' }
