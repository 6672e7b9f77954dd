-- @include lib/resolve
-- lib/remove: deletes jobs. What a person deletes first delivers its outcome, if it had ended; edges that still wait then
-- follow the person's policy for its dependents, and at last the job goes with all its keys. Meanwhile nobody sees it.

local remove = {}

-- Everything of a job that may stand in a key of its own.
local PARTS = {
  'job', 'payload', 'result', 'meta', 'function', 'retry', 'description', 'reason', 'attempts', 'dependencies', 'dependents',
}

-- Statuses in which a dependent has not been released.
local UNRELEASED = { created = true, deferred = true, upstream_failed = true, skipped = true }

-- A fallback that goes leaves behind what it came to; if it came to nothing, its job stands for itself again.
local function leave_stand_in(j)
  local above = job.above(j)
  if not above then
    return
  end
  local came_to = j.open and '' or outcome.effective(above)
  job.drop(above, { 'fallback' })
  if above.status ~= 'failed' then
    return
  end
  if came_to ~= '' then
    above.stand_in = came_to
    redis.call('HSET', key('job', above.id), 'stand_in', came_to)
  end
  cascades.begin(above)
  cascades.begin_above(above)
end

-- Begins to delete a job. The field `deleting` is the policy, with `open` behind it if the job had not ended.
function remove.begin(j, policy)
  if j.deleting then
    return
  end
  j.open = not TERMINAL[j.status]
  j.policy = policy
  j.deleting = j.open and policy .. ':open' or policy
  if j.open then
    move(j, 'canceled', { 'deleting', j.deleting })
  else
    redis.call('HSET', key('job', j.id), 'deleting', j.deleting)
  end
  leave_stand_in(j)
  cascades.begin(j)
end

local function is_staged(j)
  return j.gate and redis.call('ZSCORE', PREFIX .. 'gates', j.gate)
end

-- Takes an edge away, as if there had never been one.
local function drop_edge(id, dependency, kind, group, groups)
  local hash = key('dependencies', id)
  local g = groups[group + 1]
  g.total = g.total - 1
  redis.call('HDEL', hash, dependency)
  redis.call('HSET', hash, '#' .. group, edges.group_text(g))
  redis.call('ZREM', key('dependents', dependency), id)
  if kind == 'output' then
    redis.call('HINCRBY', key('job', id), 'outputs', -1)
  end
end

-- An edge that still waits for a job that is being deleted follows the policy. Returns what that cost of the budget.
function remove.follow_policy(id, p)
  local hash = key('dependencies', id)
  local known = redis.call('HMGET', hash, p.id, '#', '#0')
  local kind, group, _, told = edges.parse_register(known[1] or '')
  local j = kind and told == '' and job.read(id)
  if not j or j.deleting then
    return 1
  end
  local policy = p.policy
  if kind == 'fallback' and policy ~= 'delete' or policy ~= 'release' and is_staged(j) or not UNRELEASED[j.status] then
    policy = 'resolve'
  end
  if policy == 'delete' then
    remove.begin(j, 'delete')
    return JOB_COST
  end
  local groups = edges.groups(hash, tonumber(known[2]), known[3])
  if policy == 'release' then
    drop_edge(id, p.id, kind, group, groups)
    return 1 + resolve.decide(id, rules.verdict(groups), p.id)
  end
  local g = groups[group + 1]
  edges.count(g, 'canceled', kind, 1)
  redis.call('HSET', hash, p.id, edges.register(kind, group, p.epoch, 'canceled'), '#' .. group, edges.group_text(g))
  if policy == 'cancel' and (j.status == 'deferred' or j.status == 'created') then
    local fields = {}
    job.put(fields, id, 'reason', 'job ' .. p.id .. ', which it waited for, was deleted')
    become(j, 'canceled', fields)
    return JOB_COST
  end
  return 1 + resolve.decide(id, rules.verdict(groups), p.id)
end

-- Takes a job out of the registries of those it depends on; only a page of them if they exceed the budget. Returns how
-- many there were, and whether these were all. The groups stay to the end, for those who have something to tell meanwhile.
local function unlink_edges(j, budget)
  local hash = key('dependencies', j.id)
  local groups = tonumber(redis.call('HGET', hash, '#') or 0)
  local are_all = redis.call('HLEN', hash) - groups - 1 <= budget
  local names = {}
  if are_all then
    names = redis.call('HKEYS', hash)
  else
    local page = redis.call('HSCAN', hash, j.unlinked or '0', 'COUNT', budget)
    redis.call('HSET', key('job', j.id), 'unlinked', page[1])
    for i = 1, #page[2], 2 do
      names[#names + 1] = page[2][i]
    end
  end
  local count = 0
  for _, name in ipairs(names) do
    if string.sub(name, 1, 1) ~= '#' then
      count = count + 1
      redis.call('ZREM', key('dependents', name), j.id)
      if not are_all then
        redis.call('HDEL', hash, name)
      end
    end
  end
  return count, are_all
end

-- Deletes a job of which nobody is to be told anything any more, within a budget. Returns what it cost, and whether it is
-- gone.
function remove.some(j, budget)
  local cost, all_unlinked = unlink_edges(j, math.max(budget, 1))
  if all_unlinked then
    local keys = {}
    for i, part in ipairs(PARTS) do
      keys[i] = key(part, j.id)
    end
    redis.call('UNLINK', unpack(keys))
    redis.call('ZREM', j.gate and key('gate', j.gate) or key(j.status, j.queue), j.id)
  end
  return cost + JOB_COST, all_unlinked
end

-- Deletes a job that has ended and that nobody needs, within a budget. What is left then is done like a cascade.
function remove.now(j, budget)
  leave_stand_in(j)
  local cost, gone = remove.some(j, budget)
  if not gone then
    remove.begin(j, 'release')
  end
  return cost
end

return remove
