-- @include lib/move
-- lib/give_back: a worker returns a job that it has claimed.

-- A job that has never begun has its time to wait again.
local function restart_timer(j)
  if j.ttl and j.attempt == 0 then
    local since = math.max(tonumber(j.created_at), j.scheduled_for)
    redis.call('ZADD', PREFIX .. 'timers', digits(since + j.ttl), j.id)
  end
end

-- The job goes to the front of its queue, as if it had not been claimed: that uses no attempt.
local function give_back(j)
  local fields = {}
  if j.begun == '1' then
    fields = { 'attempt', j.attempt - 1, 'begun', 0 }
    j.attempt = j.attempt - 1
  end
  move(j, 'queued', fields, { front = true })
  restart_timer(j)
end
