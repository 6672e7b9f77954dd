-- @include lib/gates
-- log: adds lines to what a job tells people. The last 1,000 are kept.
--   KEYS   prefix
--   ARGV   id · the attempt that says so, or 0 for the one that began last · list of lines
--   reply  1, or 0 if there is no such job

local KEPT_LINES = 1000

local id, attempt, lines = argument.text(), argument.text(), argument.list()

local facts = gates.facts(id, 'status', 'attempt')
if not facts or not facts[1] then
  return 0
end
if attempt == '0' then
  attempt = facts[2] or '0'
end
for i, line in ipairs(lines) do
  lines[i] = digits(now) .. ' ' .. attempt .. ' ' .. line
end
redis.call('RPUSH', key('log', id), unpack(lines))
redis.call('LTRIM', key('log', id), -KEPT_LINES, -1)
return 1
