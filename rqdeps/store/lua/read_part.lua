-- @include lib/gates
-- read_part: one field of a job, also where it is long, such as its payload or its result.
--   KEYS   prefix
--   ARGV   id · name
--   reply  {status or nil, value or nil}

local id, name = argument.text(), argument.text()
local facts = gates.facts(id, 'status', name)
if not facts then
  return { false }
end
return { facts[1], facts[2] and job.text(id, name, facts[2]) }
