-- @include lib/deliver
-- skip: treats a job as finished with a value, so that others get on without it. If it runs, its claim is void.
--   KEYS   prefix
--   ARGV   again: 1 when a first sending may have arrived, else 0 · id · the value · why, for people
--   reply  {'ok', cascades left} · {'unknown'} · {'refused', its status}

local again, id, value, reason = argument.text() == '1', argument.text(), argument.text(), argument.text()

local j = job.read(id)
if not j or not gates.is_visible(j) then
  return { 'unknown' }
elseif j.status == 'finished' then
  return again and { 'ok', cascades_left() } or { 'refused', j.status }
end
local fields = {}
local had_ended = TERMINAL[j.status]
if had_ended or j.joins then -- first, since what it kept of its end, or has returned, goes
  job.drop(j, { 'reason', 'result', 'gives' })
end
job.put(fields, id, 'result', value)
job.put(fields, id, 'reason', reason)
become(j, 'finished', fields)
local left = deliver(BUDGET)
wake.flush()
return { 'ok', left }
