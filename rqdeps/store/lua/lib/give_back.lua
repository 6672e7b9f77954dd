-- @include lib/become
-- lib/give_back: a worker returns a job that it has claimed.

-- A job that has never begun still has what is left of its time to start.
local function resume_timer(j)
  if j.ttl_due and j.attempt == 0 then
    redis.call('ZADD', PREFIX .. 'timers', j.ttl_due, j.id)
  end
end

-- The job goes to the front of its queue, as if it had not been claimed: that uses no attempt. One that was to be stopped
-- is now.
local function give_back(j)
  if j.stop then
    become(j, 'stopped')
    return
  end
  local fields = {}
  if j.begun == '1' then
    fields = { 'attempt', j.attempt - 1, 'begun', 0 }
    j.attempt = j.attempt - 1
  end
  move(j, 'queued', fields, { front = true })
  resume_timer(j)
end
