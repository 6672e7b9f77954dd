-- @include lib/move
-- lib/give_back: a worker returns a job that it has claimed.

-- The job goes to the front of its queue, as if it had not been claimed: that uses no attempt.
local function give_back(j)
  local fields = {}
  if j.begun == '1' then
    fields = { 'attempt', j.attempt - 1, 'begun', 0 }
    j.attempt = j.attempt - 1
  end
  move(j, 'queued', fields, { front = true })
end
