-- @include lib/keys
-- lib/through: whether a job has passed the gate behind which it came, if it came behind one. See lib/gates.

local function is_closed(gate)
  return redis.call('ZSCORE', PREFIX .. 'gates', gate) and true or false
end

-- What stands behind a gate that is still closed may yet be given up.
local function is_through(j)
  return not (j.gate and is_closed(j.gate))
end
