-- @include lib/gates
-- graph: jobs, what they wait for and what waits for them, as much as fits into the budget.
--   KEYS   prefix
--   ARGV   list of names of fields, first `status`, `function`, `attempt`, `joins`, `linked`, `fallback`, `reason`
--          list of id, cursor, id, cursor, …; a cursor is at first `<` or `>` if what is above or below that job is wanted
--          too, and above or below those, or else empty; then as replied
--   reply  {the time in ms, {id, next cursor, or empty when this was all,
--            {values of the fields}: on the first page; empty if there is no such job,
--            {a line `number started_at ended_at outcome`, … for attempts that did not finish}: on the first page,
--            {name, value, … of what it waits for, as it is stored}, {the same of what it has joined},
--            {ids of dependents}, {ids of members, of a workflow's own job}}, …} for the first of the jobs, at least one; and
--          if there is room, for some of those above or below that were wanted. What it waits for may come twice

local names = argument.list()

-- What is left to spend in this call. A job costs as much as the commands that read it, and their replies, take.
local left = BUDGET
local JOB, ENTRY = 4, 0.25

local function fields_of(id)
  local values = gates.facts(id, unpack(names))
  for i, name in ipairs(names) do
    if values and values[i] == '@' then
      values[i] = job.text(id, name, '@')
    end
  end
  return values
end

-- The attempts of a job that did not finish, unless its only one did; with a reason, a person had that job skipped. What
-- they came to in words is left out.
local function attempts_of(id, status, attempt, reason)
  local list = {}
  if attempt and (attempt ~= '1' or status ~= 'finished' or reason) then
    for i, entry in ipairs(redis.call('LRANGE', key('attempts', id), 0, -1)) do
      list[i] = string.match(entry, '^%d+ %d+ %d+ %a+')
    end
    left = left - #list
  end
  return list
end

local function registers(kind, id, position)
  local page = redis.call('HSCAN', key(kind, id), position, 'COUNT', math.max(math.floor(left), 1))
  left = left - ENTRY * #page[2]
  return page[1], page[2]
end

-- Ids with places: dependents, or members of a workflow. The place to go on from is '' if these were the last.
local function placed(kind, id, place)
  local count = math.max(math.floor(left / ENTRY), 1)
  local page = redis.call('ZRANGEBYSCORE', key(kind, id), '(' .. place, '+inf', 'LIMIT', 0, count)
  left = left - ENTRY * #page
  return #page == count and redis.call('ZSCORE', key(kind, id), page[#page]) or '', page
end

-- The steps of reading what is around a job, and where each begins. A cursor is the step that comes next, and its place.
local WAITS_FOR, JOINED, DEPENDENTS, MEMBERS = 'd', 'j', 'b', 'm'
local FIRST_PLACE = { [WAITS_FOR] = '0', [JOINED] = '0', [DEPENDENTS] = '-1', [MEMBERS] = '0' }

-- Each returns the place to go on from, '' if this was all.
local look = {}

look[WAITS_FOR] = function(page, place)
  place, page[5] = registers('dependencies', page[1], place)
  return place ~= '0' and place or ''
end

look[JOINED] = function(page, place)
  place, page[6] = registers('joins', page[1], place)
  return place ~= '0' and place or ''
end

look[DEPENDENTS] = function(page, place)
  place, page[7] = placed('dependents', page[1], place)
  return place
end

look[MEMBERS] = function(page, place)
  place, page[8] = placed('workflow-jobs', page[1], place)
  return place
end

-- The steps that it takes for a job: not those which find nothing. What a workflow's own job joins are some of the members.
local OF_JOB, OF_JOINED, OF_WORKFLOW = { WAITS_FOR, DEPENDENTS }, { WAITS_FOR, JOINED, DEPENDENTS }, { DEPENDENTS, MEMBERS }
local OF_LEAF = { WAITS_FOR }

local function steps_for(fields)
  local path, joins, linked, fallback = fields[2], fields[4], fields[5], fields[6]
  if path == '' then
    return OF_WORKFLOW
  elseif joins then
    return OF_JOINED
  end
  return (linked or fallback) and OF_JOB or OF_LEAF
end

local function read(id, cursor)
  local page = { id, '', {}, {}, {}, {}, {}, {} }
  local begin, place = string.match(cursor, '^(%a)(.*)$')
  local fields = fields_of(id)
  if not fields then
    return page
  end
  if not begin then
    page[3], page[4] = fields, attempts_of(id, fields[1], fields[3], fields[7])
  end
  for _, step in ipairs(steps_for(fields)) do
    if not begin or step == begin then
      begin = nil
      place = look[step](page, place or FIRST_PLACE[step])
      if place ~= '' then
        page[2] = step .. place
        return page
      end
      place = nil
    end
  end
  return page
end

local list, reply, seen = argument.list(), { digits(now) }, {}
for i = 1, #list, 2 do
  seen[list[i]] = true
end

-- Puts those on the list that a job leads to in a direction.
local ABOVE, BELOW = '<', '>'

local function follow(direction, page)
  local ids = direction == ABOVE and page[5] or page[7]
  for i = 1, #ids, direction == ABOVE and 2 or 1 do
    if not seen[ids[i]] and string.sub(ids[i], 1, 1) ~= '#' then
      seen[ids[i]] = true
      list[#list + 1] = ids[i]
      list[#list + 1] = direction
    end
  end
end

local i = 1
while list[i] and left > 0 do
  local page = read(list[i], list[i + 1])
  reply[#reply + 1] = page
  if list[i + 1] == ABOVE or list[i + 1] == BELOW then
    follow(list[i + 1], page)
  end
  left = left - JOB
  i = i + 2
end
return reply
