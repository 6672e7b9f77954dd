-- @include lib/deliver
-- cancel: ends jobs before they run. One that runs is marked, its worker told, and it ends as stopped.
--   KEYS   prefix
--   ARGV   list of ids
--   reply  {cascades left, {for each: canceled, started (it will be stopped), the status in which it had ended, or '' if
--           there is no such job}}

allow_when_full()

local function stop(j)
  if j.stop then
    return
  end
  redis.call('HSET', key('job', j.id), 'stop', 1)
  local worker = string.match(j.holder or '', '^(.*)%.%d+$')
  if worker and redis.call('ZSCORE', PREFIX .. 'workers', worker) then
    redis.call('RPUSH', key('inbox', worker), j.id .. ':' .. digits(j.fence))
  end
end

local statuses, may_be_again = {}, false
for i, id in ipairs(argument.list()) do
  local j = job.read(id)
  if not j or not gates.is_visible(j) then
    statuses[i] = ''
  else
    if j.status == 'started' then
      stop(j)
    elseif not TERMINAL[j.status] then
      become(j, 'canceled')
    else
      may_be_again = true
    end
    statuses[i] = j.status
  end
end
local left = deliver(BUDGET)
wake.flush()
return { may_be_again and cascades_left() or left, statuses }
