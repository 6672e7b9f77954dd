-- @include lib/deliver
-- open: lets a graph that is complete through its gate.
--   KEYS   prefix
--   ARGV   gate · number of its pieces · id of its first job
--   reply  {'ok', cascades left} · {'given up'}

local gate, pieces, first = argument.text(), argument.number(), argument.text()
local again = false
if gates.is_closed(gate) then
  if gates.pieces(gate) ~= pieces then
    return { 'given up' }
  end
  gates.open(gate)
elseif redis.call('EXISTS', key('gate', gate), key('job', first)) == 0 then
  return { 'given up' }
else -- an earlier sending has opened it
  again = true
end
local left = deliver(BUDGET)
wake.flush()
return { 'ok', again and cascades_left() or left }
