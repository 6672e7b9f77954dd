-- @include lib/become
-- @include lib/outcome
-- @include lib/rules
-- lib/resolve: decides, alone, what a dependency's state means for those that wait for it.

local resolve = {}

-- Where registers stand: of what a job waits for before it runs, and of what it joins after that.
local HASHES = { 'dependencies', 'joins' }

-- A job's register of a dependency: the hash that it stands in, the register, and the texts that tell of the groups.
-- Nothing if there is none. Where it knows the end of what it depended on, it may join a later job with the same id.
function resolve.find(id, dependency)
  local found
  for _, kind in ipairs(HASHES) do
    local hash = key(kind, id)
    local known = redis.call('HMGET', hash, dependency, '#', '#0')
    if known[1] then
      found = { hash = hash, is_join = kind == 'joins', register = known[1], count = tonumber(known[2]), first = known[3] }
      if edges.is_open(known[1]) then
        return found
      end
    end
  end
  return found
end

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
-- for one. Returns the kind of the edge and, if there was news, the job's groups, whether these are what it joins, and
-- whether it had known an outcome.
local function accept(id, cascade)
  local j = cascade.j
  local known = resolve.find(id, j.id)
  if not known then
    return nil
  end
  local kind, group, epoch, told = edges.parse_register(known.register)
  local news = news_for(kind, cascade)
  if epoch > j.epoch or (epoch == j.epoch and (told ~= '' or news == '')) then
    return kind
  end
  local groups = edges.groups(known.hash, known.count, known.first)
  local g = groups[group + 1]
  edges.count(g, told, kind, -1)
  edges.count(g, news, kind, 1)
  redis.call('HSET', known.hash, j.id, edges.register(kind, group, j.epoch, news), '#' .. group, edges.group_text(g))
  return kind, groups, known.is_join, told ~= ''
end

-- What the groups that decide on a job mean for it.
function resolve.verdict(j, groups)
  if not j.joins then
    return rules.verdict(groups)
  end
  local verdict = rules.joined(groups)
  if j.stop and verdict ~= 'joining' and not rules.all_finished(groups) then -- a person has canceled it
    return job.is_workflow(j) and 'canceled' or 'stopped'
  end
  return verdict
end

-- Does with a job that still depends on its groups what they demand. Returns what that cost of the budget.
--   is_join  whether the groups are those of what it joins
function resolve.decide(id, groups, is_join, by)
  local j = job.read(id)
  -- Released is released; and what is being deleted, or has no part in what runs yet, is left alone. So is a job that
  -- has run since, or is to run again, by what does not decide on it any more, or yet.
  if not j or not DECIDED_BY_RULES[j.status] or j.deleting or is_join ~= (j.joins ~= nil) then
    return 1
  end
  local decision = resolve.verdict(j, groups)
  if j.status == decision then
    return 1
  end
  follow(j, decision)
  if decision == 'queued' and not TERMINAL[j.status] then -- it is not canceled with its workflow
    released[#released + 1] = id
    released[#released + 1] = by
  end
  return MOVE_COST
end

-- Whether groups leave open what becomes of their job.
local function is_undecided(groups, is_join)
  if is_join then
    return rules.is_open(groups)
  end
  return rules.verdict(groups) == 'deferred'
end

-- Tells one dependent of a job's state. Returns what that cost of the budget.
function resolve.tell(id, cascade)
  local kind, groups, is_join, had_known = accept(id, cascade)
  if not groups then
    return 1
  end
  local cost = 1
  if had_known or not is_undecided(groups, is_join) then -- a first outcome never makes undecided what was decided
    cost = cost + resolve.decide(id, groups, is_join, cascade.j.id)
  end
  if kind == 'fallback' and not cascade.is_reopening then -- only now may it be known what the job's failure comes to
    cascades.begin_above({ id = id, fallback_of = cascade.j.id })
  end
  return cost
end

return resolve
