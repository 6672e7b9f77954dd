-- @include lib/deliver
-- requeue: gives a job that has ended another life, and re-arms what waits below it.
--   KEYS   prefix
--   ARGV   a token, by which the second sending of a call is known · id
--          1 to run it whatever its status, its dependencies and its fallback are, else 0 · 1 for the front of its queue
--   reply  {'ok', cascades left} · {'unknown'} · {'refused', its status}
--          {'blocked', what its dependencies make of it} · {'fallback', id of its fallback, the fallback's status}

local token, id, force, at_front = argument.text(), argument.text(), argument.text() == '1', argument.text() == '1'

local NEEDS_FORCE = { finished = true, upstream_failed = true, skipped = true }

local j = job.read(id)
if not j or not gates.is_visible(j) then
  return { 'unknown' }
elseif j.requeued_by == token then
  return { 'ok', cascades_left() }
elseif not TERMINAL[j.status] then
  return { 'refused', j.status }
elseif NEEDS_FORCE[j.status] and not force then
  return { 'refused', j.status }
end

local decision = 'queued'
if j.status == 'canceled' and not force then -- it may not have been released
  decision = rules.verdict(edges.read_groups(id))
  if TERMINAL[decision] then
    return { 'blocked', decision }
  end
end

local has_failed = j.status == 'failed'
local fallback = has_failed and j.fallback and job.read(j.fallback)
if fallback and fallback.status ~= 'deferred' and fallback.status ~= 'skipped' and not force then
  return { 'fallback', fallback.id, fallback.status }
end

-- A fallback that has run runs again only if its job fails again, and so does the fallback's own. Each is told of its
-- job's new life at once: what it was released on before must not release it once more.
local function rearm_fallback_of(above)
  local f = above.fallback and job.read(above.fallback)
  if not f or not TERMINAL[f.status] or f.status == 'skipped' then
    return
  end
  resolve.tell(f.id, { j = above })
  f = job.read(f.id)
  if TERMINAL[f.status] and not DECIDED_BY_RULES[f.status] then
    follow(f, rules.verdict(edges.read_groups(f.id)), { 'failures', 0, 'deaths', 0 })
  end
  if not TERMINAL[f.status] then
    rearm_fallback_of(f)
  end
end

local fields = { 'failures', 0, 'deaths', 0, 'requeued_by', token }
if at_front and decision ~= 'queued' then -- it goes there when it is released
  fields[#fields + 1] = 'at_front'
  fields[#fields + 1] = 1
end
if decision == 'queued' and (force or j.status ~= 'canceled') then
  become(j, 'queued', fields, { front = at_front or j.at_front })
else
  follow(j, decision, fields, { front = at_front })
end
if has_failed then
  rearm_fallback_of(j)
end
local left = deliver(BUDGET)
wake.flush()
return { 'ok', left }
