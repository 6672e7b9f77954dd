-- @include lib/resolve
-- @include lib/group
-- lib/remove: deletes jobs. What a person deletes first delivers its outcome, if it had ended; edges that still wait then
-- follow the person's policy for its dependents, and at last the job goes with all its keys. Meanwhile nobody sees it.

local remove = {}

-- Everything of a job that may stand in a key of its own.
local PARTS = {
  'job', 'payload', 'result', 'meta', 'function', 'retry', 'repeat', 'callbacks', 'description', 'reason', 'attempts',
  'dependencies', 'dependents', 'joins', 'progress', 'log',
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

-- Begins to delete a job, and with a workflow's own job its members too, if so wished.
function remove.begin(j, policy, takes_members)
  if j.deleting then
    return
  end
  j.open = not TERMINAL[j.status]
  j.policy, j.takes_members = policy, takes_members
  j.deleting = policy .. (j.open and ':open' or '') .. (takes_members and ':members' or '')
  if j.open then
    move(j, 'canceled', { 'deleting', j.deleting })
  else
    if j.repeat_due then
      transitions.end_wait_for_repetition(j)
      job.drop(j, { 'repeat_due' })
    end
    redis.call('HSET', key('job', j.id), 'deleting', j.deleting)
  end
  leave_stand_in(j)
  cascades.begin(j)
end

local function is_staged(j)
  return j.gate and redis.call('ZSCORE', PREFIX .. 'gates', j.gate)
end

-- Takes an edge away, as if there had never been one.
local function drop_edge(id, dependency, known, kind, group, groups)
  local g = groups[group + 1]
  g.total = g.total - 1
  redis.call('HDEL', known.hash, dependency)
  redis.call('HSET', known.hash, '#' .. group, edges.group_text(g))
  redis.call('ZREM', key('dependents', dependency), id)
  if kind == 'output' and not known.is_join then
    redis.call('HINCRBY', key('job', id), 'outputs', -1)
  end
end

-- Whether a job's workflow is being deleted with its members. The job may not have been told yet.
local function goes_with_workflow(j)
  local deleting = j.workflow and redis.call('HGET', key('job', j.workflow), 'deleting')
  return deleting and string.find(deleting, ':members', 1, true) ~= nil
end

-- An edge that still waits for a job that is being deleted follows the policy. Returns what that cost of the budget.
function remove.follow_policy(id, p)
  local known = resolve.find(id, p.id)
  local kind, group, _, told = edges.parse_register(known and known.register or '')
  local j = kind and told == '' and job.read(id)
  if not j or j.deleting then
    return 1
  elseif goes_with_workflow(j) then -- the policy is for those outside of it
    remove.begin(j, p.policy)
    return MOVE_COST
  end
  local policy = p.policy
  local may_follow = UNRELEASED[j.status]
  if known.is_join then -- it has run
    may_follow = policy == 'release'
  end
  if kind == 'fallback' and policy ~= 'delete' or policy ~= 'release' and is_staged(j) or not may_follow then
    policy = 'resolve'
  end
  if policy == 'delete' then
    remove.begin(j, 'delete')
    return MOVE_COST
  end
  local groups = edges.groups(known.hash, known.count, known.first)
  if policy == 'release' then
    drop_edge(id, p.id, known, kind, group, groups)
    return 1 + resolve.decide(id, groups, known.is_join, p.id)
  end
  local g = groups[group + 1]
  edges.count(g, 'canceled', kind, 1)
  redis.call('HSET', known.hash, p.id, edges.register(kind, group, p.epoch, 'canceled'), '#' .. group, edges.group_text(g))
  if policy == 'cancel' and (j.status == 'deferred' or j.status == 'created') then
    local fields = {}
    job.put(fields, id, 'reason', 'job ' .. p.id .. ', which it waited for, was deleted')
    become(j, 'canceled', fields)
    return MOVE_COST
  end
  return 1 + resolve.decide(id, groups, known.is_join, p.id)
end

-- Takes a job out of the registries of those in one hash of its registers; only a page of them if they exceed the budget.
-- Returns how many there were, and whether these were all. The groups stay to the end, for those who have something to tell
-- meanwhile.
local function unlink_some(j, kind, budget)
  local hash = key(kind, j.id)
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
      if not are_all or kind == 'dependencies' and j.joins then -- else the hash goes in this call
        redis.call('HDEL', hash, name)
      end
    end
  end
  return count, are_all
end

-- Lets some members of a workflow go whose own job is being deleted; they are deleted too, if so wished. Returns what it
-- cost, and whether these were all.
local function disband_some(j, budget)
  local members = key('workflow-jobs', j.id)
  local asked = math.max(1, math.floor(budget / MOVE_COST))
  local ids = redis.call('ZRANGE', members, 0, asked - 1)
  for _, id in ipairs(ids) do
    local m = job.read(id)
    transitions.count_in_workflow(m)
    job.drop(m, { 'workflow' })
    if j.takes_members then
      remove.begin(m, j.policy)
    elseif TERMINAL[m.status] and not m.deleting then -- it is kept for the workflow no more
      redis.call('ZADD', key(m.status, m.queue), retention_due(m, m.status, tonumber(m.ended_at)), id)
    end
  end
  if #ids > 0 then
    redis.call('ZREM', members, unpack(ids))
  end
  if #ids == asked then
    return MOVE_COST * #ids, false
  end
  redis.call('UNLINK', key('workflow', j.id), members)
  redis.call('ZREM', PREFIX .. 'workflows', j.id)
  for _, task in ipairs({ CANCEL, CANCEL_ALL }) do
    cascades.end_task(task, j.id)
  end
  return MOVE_COST * #ids, true
end

-- A member goes. Where the workflow's own job has never come, as its graph is given up, nobody else clears up after it.
local function leave_workflow(j)
  local members, counts = key('workflow-jobs', j.workflow), key('workflow', j.workflow)
  if redis.call('ZREM', members, j.id) == 0 then -- it was let go since it was read
    return
  end
  transitions.count_in_workflow(j)
  if j.gate and redis.call('EXISTS', members, key('job', j.workflow)) == 0 then
    redis.call('UNLINK', counts)
  end
end

-- The steps by which a job goes from where others refer to it. Each returns what it cost, and whether it is done.
local function part_some(j, budget)
  local cost, done = 0, true
  if job.is_workflow(j) then
    cost, done = disband_some(j, budget)
  end
  for _, kind in ipairs({ 'dependencies', j.joins and 'joins' }) do
    if done then
      local count
      count, done = unlink_some(j, kind, math.max(budget - cost, 1))
      cost = cost + count
    end
  end
  return cost, done
end

-- Deletes a job of which nobody is to be told anything any more, within a budget. Returns what it cost, and whether it is
-- gone.
function remove.some(j, budget)
  local cost, has_parted = part_some(j, budget)
  if has_parted then
    if j.workflow then
      leave_workflow(j)
    end
    if j.group then
      leave_group(j)
    end
    local keys = {}
    for i, part in ipairs(PARTS) do
      keys[i] = key(part, j.id)
    end
    redis.call('UNLINK', unpack(keys))
    redis.call('ZREM', j.gate and key('gate', j.gate) or key(j.status, j.queue), j.id)
  end
  return cost + JOB_COST, has_parted
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
