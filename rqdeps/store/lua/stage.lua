-- @include lib/new_jobs
-- stage: saves a piece of a graph behind a gate, where nobody sees it until the gate is opened.
--   KEYS   prefix
--   ARGV   gate · number of this piece, from 1
--          the jobs, see lib/new_jobs · list of their places in the order of the graph
--          number of jobs of this or earlier pieces that get more dependencies; for each:
--            id · list of group, kind, id, group, kind, id, …
--   reply  {'ok'} · {'given up'} · {'duplicate', id} · {'unknown', id}

local gate, number = argument.text(), argument.number()
local pieces = gates.pieces(gate)
if not pieces or pieces < number - 1 then
  return { 'given up' }
elseif pieces >= number then
  return { 'ok' } -- this is the second sending
end

new_jobs.read()
local places = argument.list()
local refusal = new_jobs.check(gate)
if refusal then
  return refusal
end

local further = {}
for i = 1, argument.number() do
  local more = { id = argument.text(), list = argument.list() }
  -- A job that an earlier call has saved has its edges already.
  local j = new_jobs.find(more.id, gate)
  if j and (new_jobs.by_id[more.id] or j.gate == gate) then
    further[#further + 1] = more
    for m = 3, #more.list, 3 do
      if not new_jobs.find(more.list[m], gate) then
        return { 'unknown', more.list[m] }
      end
    end
  end
end

gates.note_piece(gate, number)
new_jobs.save_edges(gate)
for _, more in ipairs(further) do
  local hash, fields, outputs, used = key('dependencies', more.id), {}, 0, {}
  local groups = edges.read_groups(more.id)
  for m = 1, #more.list, 3 do
    local n, kind, id = tonumber(more.list[m]), more.list[m + 1], more.list[m + 2]
    fields[#fields + 1] = id
    fields[#fields + 1] = new_jobs.link(more.id, kind, n, groups[n + 1], new_jobs.find(id, gate))
    used[n] = true
    if kind ~= 'dependency' then
      outputs = outputs + 1
    end
  end
  for n in pairs(used) do
    fields[#fields + 1] = '#' .. n
    fields[#fields + 1] = edges.group_text(groups[n + 1])
  end
  redis.call('HSET', hash, unpack(fields))
  if outputs > 0 then
    local fresh = new_jobs.by_id[more.id]
    if fresh then
      fresh.outputs = (fresh.outputs or 0) + outputs
    else
      redis.call('HINCRBY', key('job', more.id), 'outputs', outputs)
    end
  end
end
new_jobs.save_links()
new_jobs.register_queues()

for i, j in ipairs(new_jobs.all) do
  if new_jobs.by_id[j.id] then
    local fields = new_jobs.fields_of(j)
    redis.call('HSET', key('job', j.id), 'status', 'created', 'gate', gate, unpack(fields))
    redis.call('ZADD', key('gate', gate), places[i], j.id)
  end
end
return { 'ok' }
