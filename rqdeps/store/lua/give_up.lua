-- @include lib/gates
-- give_up: deletes what there is of a graph that will not be completed.
--   KEYS   prefix
--   ARGV   gate
--   reply  1 if there is more to delete, else 0

allow_when_full()

local gate = argument.text()
if not gates.is_closed(gate) then
  return 0
end
local _, done = gates.give_up(gate, BUDGET)
return done and 0 or 1
