-- @include lib/base
-- lib/wake: the marker that idle supervisors block on. Whatever leaves a job to claim puts it back.

local wake = { queues = {} }

function wake.mark(queue)
  wake.queues[queue] = true
end

-- The queue was seen empty: nobody needs to look.
function wake.unmark(queue)
  wake.queues[queue] = nil
end

-- Called once, at the end of every script that moves jobs.
function wake.flush()
  for queue in pairs(wake.queues) do
    redis.call('ZADD', key('wake', queue), 0, '*')
  end
end
