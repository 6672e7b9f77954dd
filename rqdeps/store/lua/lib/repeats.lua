-- @include lib/requeue
-- lib/repeats: gives jobs that are to repeat another life after each success.

local repeats = {}

local AGAIN_MS = 1000 -- when to look again at a job whose end has yet to be told

-- Begins the next life of a job whose time has come, unless those below have yet to be told of its end, or of the life
-- before that: another would keep it from them. Says whether it has begun.
function repeats.begin(j)
  if j.reopening or redis.call('ZSCORE', PREFIX .. 'cascades', j.id) then
    redis.call('ZADD', PREFIX .. 'timers', digits(now + AGAIN_MS), j.id)
    return false
  end
  requeue.run(j, { 'failures', 0, 'deaths', 0, 'repeated', tonumber(j.repeated or 0) + 1 })
  return true
end

-- Begins the next lives of those jobs whose intervals are 0. Says whether any has begun.
function repeats.begin_at_once(ids)
  local any = false
  for _, id in ipairs(ids) do
    local j = job.read(id)
    if j and j.repeat_due and tonumber(j.repeat_due) <= now then
      any = repeats.begin(j) or any
    end
  end
  return any
end

-- Lets a job rest that has finished. Says whether it would have had another life, also to a second sending.
function repeats.stop(j)
  if j.repeat_due then
    transitions.end_wait_for_repetition(j)
    job.drop(j, { 'repeat_due' })
    j.stop = '1'
    redis.call('HSET', key('job', j.id), 'stop', 1)
  end
  return j.stop ~= nil and tonumber(j.repeated or 0) < tonumber(j.repeats)
end

return repeats
