-- @include lib/move
-- @include lib/edges
-- @include lib/rules
-- lib/resolve: decides, alone, what an ended dependency means for those that wait for it.
-- A job that ends begins a cascade; `resolve.deliver` tells its dependents, in the order of their linking, whoever
-- ends thereby tells its own, and so on. What exceeds the budget is left in `cascades`, to be carried on by any caller:
-- the score there is the place of the last dependent told.

local resolve = {
  released = {}, -- what this call released: a job, the dependency whose end did it, and so on
  work = {}, -- cascades to deliver: { id, epoch, outcome, after, stored }
}

-- A job has ended: its dependents are to be told.
function resolve.begin(j)
  if j.linked > 0 then
    resolve.work[#resolve.work + 1] = { id = j.id, epoch = j.epoch, outcome = j.status, after = 0 }
  end
end

-- Takes up a cascade that was left behind.
function resolve.resume(id, after)
  local j = job.read(id)
  if j and TERMINAL[j.status] then
    resolve.work[#resolve.work + 1] =
      { id = id, epoch = j.epoch, outcome = j.status, after = after, stored = true }
  else
    redis.call('ZREM', PREFIX .. 'cascades', id)
  end
end

-- Ends a job that was not running, and tells its dependents.
function resolve.finish(j, status, fields, how)
  move(j, status, fields, how)
  resolve.begin(j)
end

-- Writes what a dependency's end means into a register. Only news counts: a newer epoch, or an outcome where the
-- register waits for one. Returns the job's groups if there was news.
local function accept(id, cascade)
  local hash = key('dependencies', id)
  local known = redis.call('HMGET', hash, cascade.id, '#', '#0')
  if not known[1] then
    return nil
  end
  local kind, group, epoch, outcome = edges.parse_register(known[1])
  if epoch > cascade.epoch or (epoch == cascade.epoch and outcome ~= '') then
    return nil
  end
  local groups = edges.groups(hash, tonumber(known[2]), known[3])
  local g = groups[group + 1]
  if outcome ~= '' then
    local old = edges.count_of(outcome)
    g[old] = g[old] - 1
  end
  local new = edges.count_of(cascade.outcome)
  g[new] = g[new] + 1
  redis.call('HSET', hash, cascade.id, edges.register(kind, group, cascade.epoch, cascade.outcome),
    '#' .. group, edges.group_text(g))
  return groups
end

-- Tells one dependent, and acts on what its groups mean for it now. Returns what that cost of the budget.
local function tell(id, cascade)
  local groups = accept(id, cascade)
  local decision = groups and verdict(groups) or 'deferred'
  if decision == 'deferred' then
    return 1
  end
  local j = job.read(id)
  if not j or j.status ~= 'deferred' then -- released is released
    return 1
  end
  if decision == 'queued' then
    release(j)
    resolve.released[#resolve.released + 1] = id
    resolve.released[#resolve.released + 1] = cascade.id
  else
    resolve.finish(j, decision)
  end
  return 1 + JOB_COST
end

-- Delivers cascades within a budget. Returns how many had to be left.
function resolve.deliver(budget)
  local work, first = resolve.work, 1
  while first <= #work and budget > 0 do
    local cascade, asked = work[first], budget
    local page = redis.call('ZRANGEBYSCORE', key('dependents', cascade.id), '(' .. digits(cascade.after), '+inf',
      'WITHSCORES', 'LIMIT', 0, asked)
    local i = 1
    while i < #page and budget > 0 do
      budget = budget - tell(page[i], cascade)
      cascade.after = tonumber(page[i + 1])
      i = i + 2
    end
    if i > #page and #page < 2 * asked then -- that was all of them
      if cascade.stored then
        redis.call('ZREM', PREFIX .. 'cascades', cascade.id)
      end
      first = first + 1
    end
  end
  for i = first, #work do
    redis.call('ZADD', PREFIX .. 'cascades', digits(work[i].after), work[i].id)
  end
  return #work - first + 1
end
