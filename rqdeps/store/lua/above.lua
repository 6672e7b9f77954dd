-- @include lib/edges
-- above: what jobs wait for, directly, as much as fits into the budget.
--   KEYS   prefix
--   ARGV   list of id, cursor, id, cursor, …; a cursor is 0 at first, then as replied
--   reply  {id, next cursor (0 when these were all), {ids it waits for}, …} for the first of the jobs: at least one. What a
--          job's fallback waits for belongs to it, since its dependents wait for that too: the fallback is among the ids

local list, reply, looks = argument.list(), {}, 0
for i = 1, #list, 2 do
  if looks >= BUDGET then
    break
  end
  local id, cursor = list[i], list[i + 1]
  local page = redis.call('HSCAN', key('dependencies', id), cursor, 'COUNT', math.max(BUDGET - looks, 1))
  local ids = {}
  for f = 1, #page[2], 2 do
    if string.sub(page[2][f], 1, 1) ~= '#' then
      ids[#ids + 1] = page[2][f]
    end
  end
  if cursor == '0' then
    ids[#ids + 1] = redis.call('HGET', key('job', id), 'fallback') or nil
  end
  looks = looks + #ids + 1
  reply[#reply + 1] = id
  reply[#reply + 1] = page[1]
  reply[#reply + 1] = ids
end
return reply
