-- @include lib/requeue
-- @include lib/deliver
-- requeue: gives a job that has ended another life, and re-arms what waits below it.
--   KEYS   prefix
--   ARGV   a token, by which the second sending of a call is known · id
--          1 to run it whatever its status, its dependencies and its fallback are, else 0 · 1 for the front of its queue
--   reply  {'ok', cascades left} · {'unknown'} · {'refused', its status}
--          {'joins', cascades left}: it has run, and what it joins decides: that is to be revived, see `revive`
--          {'blocked', what its dependencies make of it} · {'fallback', id of its fallback, the fallback's status}

local token, id, force, at_front = argument.text(), argument.text(), argument.text() == '1', argument.text() == '1'

local NEEDS_FORCE = { finished = true, upstream_failed = true, skipped = true }

local j = job.read(id)
if not j or not gates.is_visible(j) then
  return { 'unknown' }
elseif j.requeued_by == token then
  return { j.joins and 'joins' or 'ok', cascades_left() }
elseif j.joins and j.status ~= 'finished' and (not force or job.is_workflow(j)) then
  requeue.join(j)
  redis.call('HSET', key('job', id), 'requeued_by', token)
  local left = deliver(BUDGET)
  wake.flush()
  return { 'joins', left }
elseif not TERMINAL[j.status] or job.is_workflow(j) then
  return { 'refused', j.status }
elseif NEEDS_FORCE[j.status] and not force then
  return { 'refused', j.status }
end

local decision = 'queued'
if j.status == 'canceled' and not force then -- it may not have been released
  decision = requeue.verdict(j)
  if TERMINAL[decision] then
    return { 'blocked', decision }
  end
end

local fallback = j.status == 'failed' and j.fallback and job.read(j.fallback)
if fallback and fallback.status ~= 'deferred' and fallback.status ~= 'skipped' and not force then
  return { 'fallback', fallback.id, fallback.status }
end

local fields = { 'failures', 0, 'deaths', 0, 'requeued_by', token }
if at_front and decision ~= 'queued' then -- it goes there when it is released
  fields[#fields + 1] = 'at_front'
  fields[#fields + 1] = 1
end
if decision == 'queued' and (force or j.status ~= 'canceled') then
  requeue.run(j, fields, at_front)
else
  follow(j, decision, fields, { front = at_front })
end
local left = deliver(BUDGET)
wake.flush()
return { 'ok', left }
