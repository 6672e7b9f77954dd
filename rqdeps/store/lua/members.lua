-- @include lib/gates
-- members: the members of a workflow, in the order in which they came, a page at a time.
--   KEYS   prefix
--   ARGV   workflow · place of the last one known, 0 at first · list of statuses that are wanted; empty: all
--   reply  {place to go on from, or -1 at the end, {ids}}; those that are there for nobody yet, or no longer, are left out

local workflow, after, statuses = argument.text(), argument.text(), argument.list()
local wanted = {}
for _, status in ipairs(statuses) do
  wanted[status] = true
end
local page = redis.call('ZRANGEBYSCORE', key('workflow-jobs', workflow), '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, BUDGET)
local ids = {}
for i = 1, #page, 2 do
  local facts = gates.facts(page[i], 'status')
  if facts and facts[1] and (#statuses == 0 or wanted[facts[1]]) then
    ids[#ids + 1] = page[i]
  end
end
return { #page < 2 * BUDGET and -1 or page[#page], ids }
