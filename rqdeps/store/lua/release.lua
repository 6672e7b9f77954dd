-- @include lib/deliver
-- release: lets held jobs go: to their queue, or to wait for their time or their dependencies.
--   KEYS   prefix
--   ARGV   again: 1 when a first sending may have arrived, else 0 · queue to move them to, or empty · list of ids
--          list of id, payload, …: what these hold from now on, signed for that queue; fallbacks among them
--   reply  {'ok', cascades left} · {'unknown', id} · {'refused', id, its status}

local again, queue, ids, payloads = argument.text() == '1', argument.text(), argument.list(), argument.list()

local held, read = {}, {}
for _, id in ipairs(ids) do
  local j = read[id] or job.read(id)
  if not j or not gates.is_visible(j) then
    return { 'unknown', id }
  elseif j.status == 'created' and j.held then
    if not read[id] then
      held[#held + 1], read[id] = j, j
    end
  elseif not again then
    return { 'refused', id, j.status }
  end
end

-- What stands in for a job goes to its queue with it.
local function move_fallbacks(j, from)
  local f = j.fallback and job.read(j.fallback)
  while f and f.status == 'deferred' and f.queue == from do
    transitions.leave(f)
    f.queue = j.queue
    move(f, 'deferred', { 'queue', j.queue }, { left = true })
    f = f.fallback and job.read(f.fallback)
  end
end

for _, j in ipairs(held) do
  local fields = {}
  transitions.leave(j)
  if queue ~= '' and queue ~= j.queue then
    redis.call('SADD', PREFIX .. 'queues', queue)
    if j.workflow then
      redis.call('HSET', key('workflow', j.workflow), 'queue:' .. queue, 1)
    end
    local from = j.queue
    j.queue = queue
    fields = { 'queue', queue }
    move_fallbacks(j, from)
  end
  place(j, edges.read_groups(edges.deciding(j)), fields, { left = true })
end
for i = 1, #held > 0 and #payloads or 0, 2 do
  local fields = {}
  job.put(fields, payloads[i], 'payload', payloads[i + 1])
  redis.call('HSET', key('job', payloads[i]), unpack(fields))
end
local left = deliver(BUDGET - MOVE_COST * #ids)
wake.flush()
return { 'ok', again and cascades_left() or left }
