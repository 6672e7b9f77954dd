-- @include lib/claim
-- take: claims one job by its id, wherever it stands in its queue; a queue's pause and limit are for workers.
--   KEYS   prefix
--   ARGV   holder · lease in ms · id
--   reply  {{the claimed job, see lib/claim}, or nothing if it does not wait in a queue, cascades left}

local holder, lease_ms, id = argument.text(), argument.number(), argument.text()

-- Also says what the worker needs if it has claimed the job already.
local function take()
  local j = job.read(id)
  if j and j.status == 'started' and j.holder == holder then
    return claim.told(j, j.fence, j.attempt)
  elseif not j or j.status ~= 'queued' then
    return nil
  end
  local entry, list = j.id .. ':' .. j.epoch, key('queue', j.queue)
  if redis.call('LREM', list, -1, entry) == 0 then -- it was put there last, mostly
    return nil
  end
  local _, has_limit = wake.room(j.queue)
  return claim.entry(entry, j.queue, holder, lease_ms, true, has_limit) or nil
end

local taken = take()
local left = 0
if claim.has_canceled then
  left = news.deliver(BUDGET)
end
wake.flush()
return { taken and { taken } or {}, left }
