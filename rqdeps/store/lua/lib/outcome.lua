-- @include lib/edges
-- @include lib/job
-- lib/outcome: what the state of a job means for those that wait for it: a terminal status, or '' while that is open.

local outcome = {}

-- How the job itself has ended. A job that is deleted before its end has none; its dependents follow the policy.
function outcome.own(j)
  return TERMINAL[j.status] and not j.open and j.status or ''
end

-- How a job has ended for its dependents: where it failed and has a fallback, that is how the fallback ended, and so on.
-- Open until the fallback has been told of this very failure. `stand_in` is what a fallback came to that was deleted since.
function outcome.effective(j)
  local own = outcome.own(j)
  if own ~= 'failed' or not (j.fallback or j.stand_in) then
    return own
  end
  local id, epoch, fallback, stand_in = j.id, j.epoch, j.fallback, j.stand_in
  local status = own
  while status == 'failed' do
    if stand_in then
      return stand_in
    elseif not fallback then
      return status
    end
    local told = redis.call('HGET', key('dependencies', fallback), id)
    if not told then
      return status
    end
    local _, _, told_epoch, told_outcome = edges.parse_register(told)
    if told_epoch ~= epoch or told_outcome ~= 'failed' then
      return ''
    end
    local facts = redis.call('HMGET', key('job', fallback), 'status', 'epoch', 'fallback', 'stand_in')
    id, status, epoch, fallback, stand_in = fallback, facts[1], epoch_of(facts[2]), facts[3], facts[4]
  end
  return TERMINAL[status] and status or ''
end

return outcome
