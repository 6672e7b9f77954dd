-- @include lib/resolve
-- lib/requeue: gives jobs that have ended another life.

local requeue = {}

-- A fallback that has run runs again only if its job fails again, and so does the fallback's own. Each is told of its
-- job's new life at once: what it was released on before must not release it once more.
local function rearm_fallback_of(above)
  local f = above.fallback and job.read(above.fallback)
  if not f or not TERMINAL[f.status] or f.status == 'skipped' then
    return
  end
  resolve.tell(f.id, { j = above })
  f = job.read(f.id)
  if TERMINAL[f.status] and (f.joins or not DECIDED_BY_RULES[f.status]) then
    follow(f, requeue.verdict(f), { 'failures', 0, 'deaths', 0 })
  end
  if not TERMINAL[f.status] then
    rearm_fallback_of(f)
  end
end

-- What a job's dependencies mean for it, whether it has run before or not.
function requeue.verdict(j)
  return rules.verdict(edges.read_groups(key('dependencies', j.id)))
end

-- Runs a job again, whatever its dependencies say.
function requeue.run(j, fields, front)
  local has_failed = j.status == 'failed'
  become(j, 'queued', fields, { front = front or j.at_front })
  if has_failed then
    rearm_fallback_of(j)
  end
end

-- A job that has run and joins others lives again as far as they do, without running again.
function requeue.join(j)
  if j.status ~= 'finished' then
    job.drop(j, { 'stop' })
    local decision = resolve.verdict(j, edges.read_groups(key('joins', j.id)))
    if decision ~= j.status then
      follow(j, decision)
    end
  end
end

return requeue
