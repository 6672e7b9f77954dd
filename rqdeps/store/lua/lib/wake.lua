-- @include lib/base
-- lib/wake: the marker that idle supervisors block on. Whatever leaves a job to claim puts it back; so does whatever makes
-- room in a queue that bounds how many of its jobs are started at once.

local wake = { queues = {}, freed = {} }

-- There is something to claim.
function wake.mark(queue)
  wake.queues[queue] = true
end

-- The queue was seen to have nothing to claim: it is empty, paused or full. Nobody needs to look.
function wake.unmark(queue)
  wake.queues[queue], wake.freed[queue] = nil, nil
end

-- A job has left those started, of a queue that has, or had, a limit.
function wake.note_room(queue)
  wake.freed[queue] = true
end

-- Whether room was made in a queue of which nobody has looked since whether that leaves something to claim.
function wake.has_made_room()
  return next(wake.freed) ~= nil
end

-- How many more jobs of a queue may be started now: none while it is paused, and any number where there is no limit. Also
-- returns whether there is one.
function wake.room(queue)
  local facts = redis.call('HMGET', key('queue-meta', queue), 'paused', 'limit')
  if facts[1] then
    return 0, facts[2] and true
  elseif not facts[2] then
    return math.huge, false
  end
  return math.max(0, tonumber(facts[2]) - redis.call('ZCARD', key('started', queue))), true
end

-- Called once, at the end of every script that moves jobs.
function wake.flush()
  for queue in pairs(wake.freed) do
    if not wake.queues[queue] and wake.room(queue) > 0 and redis.call('LLEN', key('queue', queue)) > 0 then
      wake.mark(queue)
    end
  end
  for queue in pairs(wake.queues) do
    redis.call('ZADD', key('wake', queue), 0, '*')
  end
end
