-- @include lib/move
-- @include lib/cascades
-- lib/become: moves jobs, and sees to it that those below will know.

-- Statuses that dependencies decide on, or what a job joins once it has run.
local DECIDED_BY_RULES = { deferred = true, joining = true, upstream_failed = true, skipped = true }

-- What this call released: a job, the dependency whose end did it, and so on.
local released = {}

-- Moves a job and lets those below know, if it has ended or lives again.
local function become(j, status, fields, how)
  local reopened = TERMINAL[j.status]
  move(j, status, fields, how)
  if reopened or TERMINAL[status] then
    if job.has_listeners(j) then
      cascades.begin(j)
    end
    if j.fallback_of then
      cascades.begin_above(j, reopened)
    end
  end
end

-- Tasks in `cascades`: a workflow is being canceled, but for what cleans up; or all of it.
local CANCEL, CANCEL_ALL = 'cancel', 'cancel-all'

-- Whether a job's workflow is being canceled, and the job with it.
local function is_being_canceled(j)
  local tasks = PREFIX .. 'cascades'
  return j.workflow
    and (not j.cleans_up and redis.call('ZSCORE', tasks, CANCEL .. ':' .. j.workflow)
      or redis.call('ZSCORE', tasks, CANCEL_ALL .. ':' .. j.workflow))
end

-- Moves a job to where it can be claimed: its queue, or the wait for its time.
local function release(j, fields, how)
  how = how or {}
  if is_being_canceled(j) then
    become(j, 'canceled', fields, how)
  elseif j.scheduled_for > now then
    how.due = j.scheduled_for
    become(j, 'scheduled', fields, how)
  else
    how.front = how.front or j.at_front
    become(j, 'queued', fields, how)
  end
end

-- Does with a job what its groups demand.
local function follow(j, decision, fields, how)
  if decision == 'queued' then
    release(j, fields, how)
  else
    become(j, decision, fields, how)
  end
end
