-- @include lib/above
-- above: what jobs wait for, directly, as much as fits into the budget.
--   KEYS   prefix
--   ARGV   list of id, cursor, id, cursor, …; a cursor is 0 at first, then as replied
--   reply  {id, next cursor (0 when these were all), {ids it waits for}, …} for the first of the jobs: at least one. What a
--          job's fallback waits for belongs to it, since its dependents wait for that too: the fallback is among the ids

-- A cursor is that of a HSCAN, with `j` before it in what the job joins.
local function look(id, cursor, budget)
  local hashes, ids = above.hashes(id), {}
  local in_joined, position = string.match(cursor, '^(j?)(%d+)$')
  local hash = hashes[in_joined == 'j' and 2 or 1]
  if not hash then
    return '0', ids
  end
  local page = redis.call('HSCAN', hash, position, 'COUNT', math.max(budget, 1))
  above.add(ids, page[2], 2)
  if cursor == '0' then
    above.add_fallback(ids, id)
  end
  if page[1] ~= '0' then
    return in_joined .. page[1], ids
  end
  return in_joined == '' and hashes[2] and 'j0' or '0', ids
end

local list, reply, looks = argument.list(), {}, 0
for i = 1, #list, 2 do
  if looks >= BUDGET then
    break
  end
  local next_cursor, ids = look(list[i], list[i + 1], BUDGET - looks)
  looks = looks + #ids + 1
  for _, value in ipairs({ list[i], next_cursor, ids }) do
    reply[#reply + 1] = value
  end
end
return reply
