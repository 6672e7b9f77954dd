-- @include lib/gates
-- progress: notes how far a job that runs has come.
--   KEYS   prefix
--   ARGV   id · the attempt that says so, or 0 for the one that runs · done · total, or `-` if it is not known · note
--   reply  {'ok'} · {'unknown'} · {'refused', its status}; what an earlier attempt says is passed over

local id, attempt = argument.text(), argument.number()
local done, total, note = argument.text(), argument.text(), argument.text()

local facts = gates.facts(id, 'status', 'attempt', 'begun', 'progress')
if not facts or not facts[1] then
  return { 'unknown' }
elseif facts[1] ~= 'started' then
  return { 'refused', facts[1] }
end
-- The server may not know yet that the attempt which runs has begun.
local running = tonumber(facts[2] or 0) + (facts[3] == '1' and 0 or 1)
if attempt == 0 then
  attempt = running
elseif attempt < running then
  return { 'ok' }
end
local fields = {}
job.put(fields, id, 'progress', table.concat({ attempt, done, total, note }, ' '))
if facts[4] == '@' and fields[2] ~= '@' then
  redis.call('UNLINK', key('progress', id))
end
redis.call('HSET', key('job', id), unpack(fields))
return { 'ok' }
