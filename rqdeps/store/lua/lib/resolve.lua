-- @include lib/become
-- @include lib/outcome
-- @include lib/rules
-- lib/resolve: decides, alone, what a dependency's state means for those that wait for it.

local resolve = {}

-- What a register is to hold of a dependency. Its fallback wants to know how the job itself ended.
local function news_for(kind, cascade)
  if cascade.is_reopening then
    return ''
  elseif kind == 'fallback' then
    return outcome.own(cascade.j)
  end
  cascade.effective = cascade.effective or outcome.effective(cascade.j)
  return cascade.effective
end

-- Writes a dependency's state into a register. Only news counts: a newer epoch, or an outcome where the register waits
-- for one. Returns the kind of the edge and, if there was news, the job's groups and whether it had known an outcome.
local function accept(id, cascade)
  local hash, j = key('dependencies', id), cascade.j
  local known = redis.call('HMGET', hash, j.id, '#', '#0')
  if not known[1] then
    return nil
  end
  local kind, group, epoch, told = edges.parse_register(known[1])
  local news = news_for(kind, cascade)
  if epoch > j.epoch or (epoch == j.epoch and (told ~= '' or news == '')) then
    return kind
  end
  local groups = edges.groups(hash, tonumber(known[2]), known[3])
  local g = groups[group + 1]
  edges.count(g, told, kind, -1)
  edges.count(g, news, kind, 1)
  redis.call('HSET', hash, j.id, edges.register(kind, group, j.epoch, news), '#' .. group, edges.group_text(g))
  return kind, groups, told ~= ''
end

-- Does with a job that still depends on its rules what its groups demand. Returns what that cost of the budget.
function resolve.decide(id, decision, by)
  local j = job.read(id)
  -- Released is released; and what is being deleted, or has no part in what runs yet, is left alone.
  if not j or not DECIDED_BY_RULES[j.status] or j.status == decision or j.deleting then
    return 1
  end
  follow(j, decision)
  if decision == 'queued' then
    released[#released + 1] = id
    released[#released + 1] = by
  end
  return JOB_COST
end

-- Tells one dependent of a job's state. Returns what that cost of the budget.
function resolve.tell(id, cascade)
  local kind, groups, had_known = accept(id, cascade)
  if not groups then
    return 1
  end
  local cost = 1
  local decision = rules.verdict(groups)
  if decision ~= 'deferred' or had_known then -- a first outcome never makes undecided what was decided
    cost = cost + resolve.decide(id, decision, cascade.j.id)
  end
  if kind == 'fallback' and not cascade.is_reopening then -- only now may it be known what the job's failure comes to
    cascades.begin_above({ id = id, fallback_of = cascade.j.id })
  end
  return cost
end

return resolve
