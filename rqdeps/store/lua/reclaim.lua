-- @include lib/give_back
-- @include lib/deliver
-- reclaim: gives back what was claimed under a holder's name in calls whose reply was lost.
--   KEYS   prefix
--   ARGV   queue · holder · how many claims of the queue to pass over · list of claims that the holder knows, `id:fence`
--   reply  {how many claims to pass over in the next call, or -1 when all were looked at, how many went back}

local queue, holder, offset = argument.text(), argument.text(), argument.number()
local known = {}
for _, claim in ipairs(argument.list()) do
  known[claim] = true
end

local returned = 0
local page = redis.call('ZRANGE', key('started', queue), offset, offset + BUDGET - 1)
for i = #page, 1, -1 do
  local j = job.read(page[i])
  if j and j.holder == holder and not known[j.id .. ':' .. digits(j.fence)] then
    give_back(j)
    returned = returned + 1
  end
end
deliver(BUDGET)
wake.flush()
if #page < BUDGET then
  return { -1, returned }
end
return { offset + #page - returned, returned }
