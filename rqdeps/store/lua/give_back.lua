-- @include lib/give_back
-- @include lib/deliver
-- give_back: returns claimed jobs to the front of their queues, in the order in which they were claimed.
--   KEYS   prefix
--   ARGV   number of claims; for each: id · fence
--   reply  how many were still held and went back

local claims = {}
for i = 1, argument.number() do
  claims[i] = { id = argument.text(), fence = argument.number() }
end
local returned = 0
for i = #claims, 1, -1 do
  local j = job.read(claims[i].id)
  if j and j.status == 'started' and j.fence == claims[i].fence then
    give_back(j)
    returned = returned + 1
  end
end
deliver(BUDGET)
wake.flush()
return returned
