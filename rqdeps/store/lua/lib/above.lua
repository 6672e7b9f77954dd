-- @include lib/edges
-- lib/above: what has to end before the dependents of a job know what it came to: its dependencies, what it joins or is
-- about to spawn, and its fallback.

local above = {}

-- The hashes of registers of a job: at most two.
function above.hashes(id)
  local facts = redis.call('HMGET', key('job', id), 'joins', 'spawning', 'status')
  local joined = facts[1] and id or facts[3] == 'started' and facts[2]
  return { key('dependencies', id), joined and key('joins', joined) or nil }
end

-- Adds the ids among the names of a hash of registers to a list.
function above.add(list, names, step)
  for i = 1, #names, step do
    if string.sub(names[i], 1, 1) ~= '#' then
      list[#list + 1] = names[i]
    end
  end
end

function above.add_fallback(list, id)
  list[#list + 1] = redis.call('HGET', key('job', id), 'fallback') or nil
end

return above
