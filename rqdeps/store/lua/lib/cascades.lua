-- @include lib/job
-- lib/cascades: the news that jobs still have for their dependents. A job has at most one cascade, and whatever happens to
-- the job starts it anew. What one call begins and does not get done waits in a sorted set, scored by the place of the last
-- dependent told. First comes that a job lives again: in `reopenings`. While any such news is under way, no other is told,
-- so that nobody is released on an end that is being taken back. Then comes how jobs have ended: in `cascades`. Jobs that
-- are being deleted wait there too, and other tasks that take many steps: gates that are being opened, workflows that are
-- being canceled.

local REOPENINGS, ENDS = 'reopenings', 'cascades'
local ORDER = { REOPENINGS, ENDS }

local cascades = {
  lists = { [REOPENINGS] = {}, [ENDS] = {} }, -- in the order in which they are worked off
  of = {}, -- by the id of the job
}

-- Fallbacks come first: their place is 0.
local BEFORE_ALL = -1

local function add(set, cascade)
  cascade.set, cascade.is_reopening = set, set == REOPENINGS
  table.insert(cascades.lists[set], cascade)
  return cascade
end

local function remove_from_list(cascade)
  local list = cascades.lists[cascade.set]
  for i, other in ipairs(list) do
    if other == cascade then
      table.remove(list, i)
      return
    end
  end
end

-- A job has news for its dependents: it ended, it lives again, or what its end means has changed.
function cascades.begin(j)
  if not job.has_listeners(j) then
    return
  end
  local set = j.reopening and REOPENINGS or ENDS
  local known = cascades.of[j.id]
  if known and known.set == set then
    known.j, known.after, known.restarted, known.effective = j, BEFORE_ALL, true, nil
    return
  end
  if known then
    known.restarted = true
    remove_from_list(known)
  end
  -- A first end can't have left a cascade behind: that saves looking.
  local stored = j.epoch > 1 or j.fallback ~= nil or j.deleting ~= nil
  if stored and set == REOPENINGS then
    redis.call('ZREM', PREFIX .. ENDS, j.id)
  end
  cascades.of[j.id] = add(set, { j = j, after = BEFORE_ALL, stored = stored })
end

-- A task is stored as `task:name`; no job's id has a colon.
local function member_of(cascade)
  return cascade.task and cascade.task .. ':' .. cascade.name or cascade.j.id
end

-- Begins a task, from its first step. It is stored at once, so that others see that it is under way.
function cascades.begin_task(task, name)
  local member = task .. ':' .. name
  redis.call('ZADD', PREFIX .. ENDS, 0, member)
  local known = cascades.of[member]
  if known then
    known.after = 0
  else
    cascades.of[member] = add(ENDS, { task = task, name = name, after = 0, stored = true })
  end
end

-- A task has come to nothing, wherever it stands.
function cascades.end_task(task, name)
  local member = task .. ':' .. name
  redis.call('ZREM', PREFIX .. ENDS, member)
  local known = cascades.of[member]
  if known then
    remove_from_list(known)
    cascades.of[member] = nil
  end
end

-- The end of a job, its reopening, or what it was told, may change what the jobs it stands in for have come to. After a
-- reopening that is a new epoch for them, since their dependents may know of the last one's outcome.
function cascades.begin_above(j, reopened)
  local above = job.above(j)
  while above and above.status == 'failed' do
    if reopened then
      above.epoch, above.reopening = above.epoch + 1, '1'
      redis.call('HSET', key('job', above.id), 'epoch', above.epoch, 'reopening', 1)
    end
    cascades.begin(above)
    above = job.above(above)
  end
end

local PAGE = 5

-- Takes up some of a set that were left behind: the least and the most advanced, so that none waits for ever.
local function resume(set)
  local waiting = PREFIX .. set
  for _, order in ipairs({ 'ZRANGE', 'ZREVRANGE' }) do
    local page = redis.call(order, waiting, 0, PAGE - 1, 'WITHSCORES')
    for i = 1, #page, 2 do
      local id = page[i]
      local task, name = string.match(id, '^(.*):(.*)$')
      if not cascades.of[id] then
        local j = not task and job.read(id)
        if task or j then
          cascades.of[id] = add(set, { j = j, task = task, name = name, after = tonumber(page[i + 1]), stored = true })
        else
          redis.call('ZREM', waiting, id)
        end
      end
    end
    if #page < 2 * PAGE then -- these were all
      return
    end
  end
end

local others_are_done = false -- no reopening was left behind by another call, or all were done

-- Takes up reopenings that were left behind: no end is told before these are done.
local function resume_reopenings()
  if not others_are_done and #cascades.lists[REOPENINGS] == 0 then
    resume(REOPENINGS)
    others_are_done = #cascades.lists[REOPENINGS] == 0
  end
end

-- Takes up what was left behind. Returns whether there was anything.
function cascades.resume()
  resume_reopenings()
  if others_are_done then
    resume(ENDS)
  end
  return #cascades.lists[REOPENINGS] + #cascades.lists[ENDS] > 0
end

-- The cascade to work on now, or nil.
function cascades.current()
  resume_reopenings()
  for _, set in ipairs(ORDER) do
    local first = cascades.lists[set][1]
    if first then
      return first
    end
  end
end

-- A cascade has come to its end. After the word that a job lives again comes how it has ended, if it has meanwhile.
function cascades.complete(cascade)
  local id = member_of(cascade)
  if cascade.stored then
    redis.call('ZREM', PREFIX .. cascade.set, id)
  end
  remove_from_list(cascade)
  cascades.of[id] = nil
  if cascade.is_reopening then
    job.drop(cascade.j, { 'reopening' })
    if TERMINAL[cascade.j.status] then
      cascades.begin(cascade.j)
    end
  end
end

-- Keeps what could not be done. Returns how many are left.
function cascades.save()
  local left = 0
  for _, set in ipairs(ORDER) do
    for _, cascade in ipairs(cascades.lists[set]) do
      left = left + 1
      redis.call('ZADD', PREFIX .. set, digits(cascade.after), member_of(cascade))
    end
  end
  return left
end

return cascades
