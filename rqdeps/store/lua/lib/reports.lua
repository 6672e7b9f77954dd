-- @include lib/gates
-- lib/reports: what becomes of a job whose attempt did not just finish, by the kind of its outcome.

local reports = {}

local function wait_for_next_attempt(j, delay, fields, front)
  if j.stop then
    become(j, 'stopped', fields, { left = true })
  elseif delay > 0 then
    move(j, 'scheduled', fields, { left = true, due = now + delay })
  else
    move(j, 'queued', fields, { left = true, front = front })
  end
end

-- What is noted of an attempt whose spawned jobs were given up before it was reported.
local SPAWNED_IS_LOST = '{"type":"rqdeps.errors.GraphGivenUpError",'
  .. '"message":"what this attempt had spawned was given up before it was reported"}'

-- It has run, and joins what it spawned. Should that have been given up, the attempt counts for nothing.
function reports.spawned(j, fields, value, pieces, gives)
  local gate = j.spawning
  if not gate or gates.pieces(gate) ~= pieces then
    reports.failed(j, fields, SPAWNED_IS_LOST, 0)
  elseif j.stop then
    job.note_attempt(j, 'stopped', '')
    become(j, 'stopped', fields, { left = true })
  else
    gates.open_for(gate, j.id)
    job.drop(j, { 'spawning' })
    job.put(fields, j.id, 'result', value)
    j.joins = '1'
    for _, name in ipairs({ 'joins', gives }) do
      fields[#fields + 1] = name
      fields[#fields + 1] = 1
    end
    fields[#fields + 1] = 'returned_at'
    fields[#fields + 1] = digits(now)
    become(j, 'joining', fields, { left = true })
  end
end

function reports.gives(j, fields, value, pieces)
  reports.spawned(j, fields, value, pieces, 'gives')
end

function reports.failed(j, fields, value, delay)
  job.note_attempt(j, 'failed', value)
  fields[#fields + 1] = 'failures'
  fields[#fields + 1] = j.failures + 1
  if delay >= 0 and j.failures < j.retries then
    wait_for_next_attempt(j, delay, fields, job.retries_at_front(j))
  else
    become(j, j.stop and 'stopped' or 'failed', fields, { left = true })
  end
end

function reports.snoozed(j, fields, value, delay)
  wait_for_next_attempt(j, delay, fields, job.retries_at_front(j))
end

function reports.stopped(j, fields, value)
  job.note_attempt(j, 'stopped', value)
  become(j, 'stopped', fields, { left = true })
end

return reports
