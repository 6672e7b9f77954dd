-- @include lib/new_jobs
-- @include lib/new_links
-- @include lib/above
-- @include lib/deliver
-- add_dependency: lets a job that has not run yet wait for others too.
--   KEYS   prefix
--   ARGV   again: 1 when a first sending may have arrived, else 0 · id · rule · list of ids to wait for
--          1 if two groups of this rule mean the same as one of both, else 0 · how many groups a job can have
--          state of the graph under which the caller has looked for circles itself, or empty
--   reply  {'ok', cascades left} · {'unknown', id} · {'refused', status of the job} · {'twice', id}
--          {'fallback', the job that it stands in for} · {'groups', how many it has: as many as it can}
--          {'circle', {the job, what it would wait for, …, the job}}
--          {'search', state of the graph}: too much to look at in one call; the caller is to look and call again

local again, id, rule, ids = argument.text() == '1', argument.text(), argument.text(), argument.list()
local is_additive, most_groups, state = argument.text() == '1', argument.number(), argument.text()

local MAY_WAIT = { created = true, deferred = true, scheduled = true, queued = true, upstream_failed = true, skipped = true,
  canceled = true }

local j = job.read(id)
if not j or not gates.is_visible(j) then
  return { 'unknown', id }
elseif j.fallback_of then
  return { 'fallback', j.fallback_of }
end

local hash = key('dependencies', id)
local fresh = {}
for _, dependency in ipairs(ids) do
  if dependency == id then
    return { 'circle', { id, id } }
  elseif not new_links.find(dependency) then
    return { 'unknown', dependency }
  elseif redis.call('HEXISTS', hash, dependency) == 0 then
    fresh[#fresh + 1] = dependency
  elseif not again then
    return { 'twice', dependency }
  end
end
if #fresh == 0 then
  return { 'ok', cascades_left() }
elseif not MAY_WAIT[j.status] or j.attempt > 0 or j.joins then
  return { 'refused', j.status }
end

-- Whether this would close a circle: goes up from the new dependencies, to all that they wait for.

-- What has to end before a job's dependents know what it came to, or nil if that is too much for this call.
local function waited_for(up, budget)
  local list = {}
  for _, hash in ipairs(above.hashes(up)) do
    if redis.call('HLEN', hash) + #list > budget then
      return nil
    end
    above.add(list, redis.call('HKEYS', hash), 1)
  end
  above.add_fallback(list, up)
  return list
end

local function circle_from(came_from)
  local path, at = { id }, id
  repeat
    at = came_from[at]
    table.insert(path, 1, at)
  until came_from[at] == id
  table.insert(path, 1, id)
  return path
end

local function look_for_circle()
  local came_from, stack, looks = {}, {}, 0
  for _, dependency in ipairs(fresh) do
    came_from[dependency] = id
    stack[#stack + 1] = dependency
  end
  while #stack > 0 do
    local up = table.remove(stack)
    local list = waited_for(up, BUDGET - looks)
    if not list then
      return { 'search', redis.call('GET', PREFIX .. 'links') or '0' }
    end
    looks = looks + #list + 1
    for _, next_up in ipairs(list) do
      if not came_from[next_up] then
        came_from[next_up] = up
        if next_up == id then
          return { 'circle', circle_from(came_from) }
        end
        stack[#stack + 1] = next_up
      end
    end
  end
end

local somebody_waits = j.linked > 0 or j.fallback
if somebody_waits and (state == '' or state ~= (redis.call('GET', PREFIX .. 'links') or '0')) then
  local refusal = look_for_circle()
  if refusal then
    return refusal
  end
end

-- The edges.

local groups = edges.read_groups(hash)
local n
for i, g in ipairs(groups) do
  if g.rule == rule and is_additive then
    n = i - 1
  end
end
if not n then
  n = #groups
  if n >= most_groups then
    return { 'groups', n }
  end
  groups[n + 1] = { rule = rule, total = 0, ok = 0, bad = 0, skip = 0 }
end
local fields = { '#', #groups }
for _, dependency in ipairs(fresh) do
  fields[#fields + 1] = dependency
  fields[#fields + 1] = new_links.link(id, 'dependency', n, groups[n + 1], new_links.find(dependency))
end
fields[#fields + 1] = '#' .. n
fields[#fields + 1] = edges.group_text(groups[n + 1])
redis.call('HSET', hash, unpack(fields))
new_links.save()
redis.call('INCR', PREFIX .. 'links')

-- What they mean for the job.

local decision = rules.verdict(groups)
if j.status == 'queued' or j.status == 'scheduled' then
  if decision ~= 'queued' then -- to be released once more is a new epoch
    local fields_of_epoch = {}
    transitions.leave(j)
    transitions.begin_epoch(j, fields_of_epoch, decision)
    become(j, decision, fields_of_epoch, { left = true })
    cascades.begin(j)
  end
else
  resolve.decide(id, groups, false, ids[1])
end
local left = deliver(BUDGET)
wake.flush()
return { 'ok', left }
