-- @include lib/gates
-- @include lib/cancel
-- lib/delivery: works off cascades within a budget.

local delivery = {}

-- Tells some dependents of a job. Returns what that cost of the budget.
local function tell_some(cascade, budget)
  cascade.restarted = false
  local asked = budget
  local page = redis.call('ZRANGEBYSCORE', key('dependents', cascade.j.id), '(' .. digits(cascade.after), '+inf',
    'WITHSCORES', 'LIMIT', 0, asked)
  local cost = 0
  for i = 1, #page, 2 do
    if cost >= budget then
      return cost
    end
    cascade.after = tonumber(page[i + 1])
    cost = cost + resolve.tell(page[i], cascade)
    if cascade.j.deleting and not cascade.is_reopening and not cascade.restarted then
      cost = cost + remove.follow_policy(page[i], cascade.j)
    end
    if cascade.restarted then
      return cost
    end
  end
  if #page == 2 * asked then
    return cost
  end
  if cascade.j.deleting and not cascade.is_reopening then
    local spent, gone = remove.some(cascade.j, budget - cost)
    if not gone then
      cascade.j = job.read(cascade.j.id)
      return cost + spent
    end
    cost = cost + spent
  end
  cascades.complete(cascade)
  return cost
end

-- Tasks that are no cascade of a job. Each step returns what it cost, and whether it was the last.
local TASKS = {
  gate = function(cascade, budget)
    return gates.let_through(cascade.name, budget)
  end,
  [CANCEL] = cancel.some_members,
  [CANCEL_ALL] = cancel.some_members,
}

local function do_some(cascade, budget)
  local cost, was_last = TASKS[cascade.task](cascade, budget)
  if was_last then
    cascades.complete(cascade)
  end
  return cost
end

-- Works off what this call has begun and taken up, within a budget. Returns how many cascades had to be left.
--   carries_on  whether to take up more of what others have left, as long as the budget lasts
function delivery.run(budget, carries_on)
  local cascade = cascades.current()
  while budget > 0 and (cascade or carries_on and cascades.resume()) do
    if cascade then
      budget = budget - (cascade.task and do_some or tell_some)(cascade, budget)
    end
    cascade = cascades.current()
  end
  return cascades.save()
end

return delivery
