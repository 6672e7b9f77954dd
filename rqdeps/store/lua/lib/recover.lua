-- @include lib/become
-- @include lib/give_back
-- lib/recover: gives the jobs of lost workers back to their queues.

local POISON_DEATHS = 3 -- a job whose workers died so often while it ran fails as a poison pill

-- A job whose lease has run out goes back to the front of its queue; that uses no retry. If it had begun, and its worker
-- did not just lose sight of the server (`amnesty`), it counts a death.
local function recover(j, amnesty)
  local fields = {}
  if j.begun == '1' and not amnesty then
    j.deaths = j.deaths + 1
    fields = { 'deaths', j.deaths }
  end
  if j.stop then
    become(j, 'stopped', fields)
  elseif j.deaths >= POISON_DEATHS then
    local reason = 'poison pill: ' .. j.deaths .. ' workers died while they ran it'
    leave_started(j)
    job.note_attempt(j, 'lost', '')
    job.put(fields, j.id, 'reason', reason)
    become(j, 'failed', fields, { left = true })
  else
    move(j, 'queued', fields, { front = true })
    resume_timer(j)
    if j.begun == '1' then
      job.note_attempt(j, 'lost', '')
    end
  end
end
