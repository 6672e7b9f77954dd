-- @include lib/job
-- lib/cascades: the news that jobs still have for their dependents. A job has at most one cascade. What one call begins
-- and does not get done waits in `cascades`, scored by the place of the last dependent told; whatever happens to the job
-- starts it anew. A gate that is being opened waits there too.

local cascades = {
  list = {}, -- in the order in which they are worked off
  first = 1,
  of = {}, -- by the id of the job
}

-- Fallbacks come first: their place is 0.
local BEFORE_ALL = -1
local GATE = 'gate:'

local function add(cascade)
  cascades.list[#cascades.list + 1] = cascade
  return cascade
end

-- A job has news for its dependents: it ended, it lives again, or what its end means has changed.
function cascades.begin(j)
  if j.linked == 0 and not j.fallback and not j.deleting then
    return
  end
  local known = cascades.of[j.id]
  if known then
    known.j, known.after, known.restarted, known.effective = j, BEFORE_ALL, true, nil
  else
    -- A first end can't have left a cascade behind: that saves looking.
    local stored = j.epoch > 1 or j.fallback ~= nil or j.deleting ~= nil
    cascades.of[j.id] = add({ j = j, after = BEFORE_ALL, stored = stored })
  end
end

-- A gate lets its jobs through.
function cascades.begin_gate(gate)
  redis.call('ZADD', PREFIX .. 'cascades', 0, GATE .. gate)
  cascades.of[GATE .. gate] = add({ gate = gate, stored = true })
end

-- The end of a job, its reopening, or what it was told, may change what the jobs it stands in for have come to. After a
-- reopening that is a new epoch for them, since their dependents may know of the last one's outcome.
function cascades.begin_above(j, reopened)
  while j.fallback_of do
    local above = job.read(j.fallback_of)
    if not above or above.fallback ~= j.id or above.status ~= 'failed' then
      return
    end
    if reopened then
      above.epoch = above.epoch + 1
      redis.call('HSET', key('job', above.id), 'epoch', above.epoch)
    end
    cascades.begin(above)
    j = above
  end
end

-- Takes up some that were left behind: the least and the most advanced, so that none waits for ever.
function cascades.resume()
  local waiting = PREFIX .. 'cascades'
  for _, order in ipairs({ 'ZRANGE', 'ZREVRANGE' }) do
    local page = redis.call(order, waiting, 0, 4, 'WITHSCORES')
    for i = 1, #page, 2 do
      local id = page[i]
      local gate = string.match(id, '^' .. GATE .. '(.*)$')
      if not cascades.of[id] then
        if gate then
          cascades.of[id] = add({ gate = gate, stored = true })
        else
          local j = job.read(id)
          if j then
            cascades.of[id] = add({ j = j, after = tonumber(page[i + 1]), stored = true })
          else
            redis.call('ZREM', waiting, id)
          end
        end
      end
    end
  end
end

-- The cascade to work on now, or nil.
function cascades.current()
  return cascades.list[cascades.first]
end

-- The current cascade has come to its end.
function cascades.complete(cascade)
  local id = cascade.gate and GATE .. cascade.gate or cascade.j.id
  if cascade.stored then
    redis.call('ZREM', PREFIX .. 'cascades', id)
  end
  cascades.of[id] = nil
  cascades.first = cascades.first + 1
end

-- Keeps what could not be done. Returns how many are left.
function cascades.save()
  for i = cascades.first, #cascades.list do
    local cascade = cascades.list[i]
    if not cascade.gate then
      redis.call('ZADD', PREFIX .. 'cascades', digits(cascade.after), cascade.j.id)
    end
  end
  return #cascades.list - cascades.first + 1
end

return cascades
