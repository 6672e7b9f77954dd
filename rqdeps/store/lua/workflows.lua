-- @include lib/gates
-- workflows: ids of workflows, the latest first, a page at a time.
--   KEYS   prefix
--   ARGV   offset · how many at most
--   reply  {offset to go on from, or -1 at the end, {ids}}; those that are there for nobody yet, or no longer, are left out

local offset, count = argument.number(), math.min(argument.number(), BUDGET)
local page, ids = redis.call('ZREVRANGE', PREFIX .. 'workflows', offset, offset + count - 1), {}
for _, id in ipairs(page) do
  if gates.facts(id) then
    ids[#ids + 1] = id
  end
end
return { #page < count and -1 or offset + #page, ids }
