-- @include lib/outcome
-- awaited: what jobs wait for, and what that waits for in turn, up to jobs that wait for no other; as far as the budget goes.
--   KEYS   prefix
--   ARGV   list of ids
--   reply  {id, status or '' if there is no such job, queue, what it does, another job's id or '', …} for the first of the ids,
--          at least one, and jobs above them. What it does: `waits` for that other job; `untold`: that other job has ended, or is
--          gone, and it has not been told; `decided`: it waits for nothing, and its rules have not been applied; `coming`: it has
--          yet to pass a gate; `unknown`: it has too many dependencies to tell; '': it waits for no other job

local PAGE = 100
local WAITING = { deferred = true, joining = true }
local left = BUDGET

-- Whom a job waits for by an open register: the dependency, or what stands in for it. Nobody if that has ended.
local function open_above(id, dependency, text)
  local is_there = redis.call('ZSCORE', key('dependents', dependency), id) -- and not another job with its id
  local above = is_there and job.read(dependency)
  left = left - 2
  if not above then
    return nil
  elseif not TERMINAL[above.status] then
    return dependency
  elseif edges.parse_register(text) == 'fallback' or outcome.effective(above) ~= '' then
    return nil
  end
  while above and above.status == 'failed' and above.fallback do
    dependency, above = above.fallback, job.read(above.fallback)
    left = left - 1
  end
  return above and dependency
end

-- Goes through the registers of a job until one leads to a job that has not ended.
local function look_up(j)
  local cursor, untold = '0', nil
  repeat
    local page = redis.call('HSCAN', edges.deciding(j), cursor, 'COUNT', PAGE)
    cursor, left = page[1], left - #page[2] / 8
    for i = 1, #page[2], 2 do
      local dependency, text = page[2][i], page[2][i + 1]
      if string.sub(dependency, 1, 1) ~= '#' and edges.is_open(text) then
        local above = open_above(j.id, dependency, text)
        if above then
          return 'waits', above
        end
        untold = dependency
      end
    end
  until cursor == '0' or left <= 0
  if cursor ~= '0' then
    return 'unknown', ''
  end
  return untold and 'untold' or 'decided', untold or ''
end

local list, reply, seen = argument.list(), {}, {}
for _, id in ipairs(list) do
  seen[id] = true
end
local i = 1
while list[i] and left > 0 do
  local id = list[i]
  local j = job.read(id) or { status = '', queue = '' }
  local does, other = '', ''
  if j.gate then
    does = 'coming'
  elseif WAITING[j.status] and not j.deleting then
    does, other = look_up(j)
  end
  for _, fact in ipairs({ id, j.status, j.queue, does, other }) do
    reply[#reply + 1] = fact
  end
  if does == 'waits' and not seen[other] then
    seen[other] = true
    list[#list + 1] = other
  end
  i, left = i + 1, left - 1
end
return reply
