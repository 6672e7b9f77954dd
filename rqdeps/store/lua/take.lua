-- @include lib/claim
-- @include lib/deliver
-- take: claims one job by its id, wherever it stands in its queue; a queue's pause and limit are for workers.
--   KEYS   prefix
--   ARGV   holder · lease in ms · id
--   reply  {{the claimed job, see lib/claim}, or nothing if it does not wait in a queue, cascades left}

local holder, lease_ms, id = argument.text(), argument.number(), argument.text()
local taken = claim.one(id, holder, lease_ms)
local left = 0
if claim.has_canceled then
  left = deliver(BUDGET)
end
wake.flush()
return { taken and { taken } or {}, left }
