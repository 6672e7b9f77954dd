-- @include lib/gates
-- lib/cancel: ends jobs before they run, and asks those that run to stop. A workflow is marked first, in `cascades`, and
-- then its members are canceled one after the other: what is released or claimed meanwhile is canceled too, so that
-- nothing of it starts any more, whoever carries on.

local cancel = {}

-- Asks the worker that runs a job to stop it.
local function stop(j)
  if j.stop then
    return
  end
  redis.call('HSET', key('job', j.id), 'stop', 1)
  local worker = string.match(j.holder or '', '^(.*)%.%d+$')
  if worker and redis.call('ZSCORE', PREFIX .. 'workers', worker) then
    redis.call('RPUSH', key('inbox', worker), 'stop ' .. j.id .. ':' .. digits(j.fence))
  end
end

-- What joins others ends once these have ended.
local function mark_joining(j)
  j.stop = '1'
  redis.call('HSET', key('job', j.id), 'stop', 1)
end

-- Cancels one job that has not ended.
function cancel.one(j)
  if j.status == 'started' then
    stop(j)
  elseif j.status == 'joining' then
    mark_joining(j)
  else
    become(j, 'canceled')
  end
end

-- Begins to cancel a workflow's members: all of them, or all but those that clean up.
function cancel.begin_workflow(j, all)
  if not TERMINAL[j.status] then
    mark_joining(j)
  end
  cascades.begin_task(all and CANCEL_ALL or CANCEL, j.id)
end

-- Cancels some members of a workflow. Returns what that cost, and whether these were the last.
function cancel.some_members(cascade, budget)
  local asked = math.max(1, math.floor(budget / MOVE_COST))
  local page = redis.call('ZRANGEBYSCORE', key('workflow-jobs', cascade.name), '(' .. digits(cascade.after), '+inf',
    'WITHSCORES', 'LIMIT', 0, asked)
  for i = 1, #page, 2 do
    local j = job.read(page[i])
    local is_spared = j.cleans_up and cascade.task == CANCEL
    if not TERMINAL[j.status] and not is_spared and gates.is_visible(j) then
      cancel.one(j)
    end
    cascade.after = tonumber(page[i + 1])
  end
  return MOVE_COST * #page / 2 + 1, #page < 2 * asked
end

return cancel
