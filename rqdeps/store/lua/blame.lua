-- @include lib/edges
-- @include lib/rules
-- blame: goes up from jobs that can't run, to those whose end began it.
--   KEYS   prefix
--   ARGV   list of id, cursor, id, cursor, …: jobs to go up from; a cursor is 0 at first, then as replied
--   reply  {{id, status or '' if it has been deleted, how it had ended, …}, {id, cursor, …}}: whose end began it, and jobs
--           from which to go on

local list = argument.list()

local GOES_ON = { upstream_failed = true, skipped = true }

local stack, roots, seen, looks = {}, {}, {}, 0
for i = #list - 1, 1, -2 do
  stack[#stack + 1] = { list[i], list[i + 1] }
  seen[list[i]] = true
end

-- A job's status, '' if it has been deleted, and its fallback.
local function status_of(id)
  local facts = redis.call('HMGET', key('job', id), 'status', 'fallback')
  return facts[1] or '', facts[2]
end

local function look_at(dependency, text, groups)
  local kind, group, _, outcome = edges.parse_register(text)
  if kind == 'fallback' or seen[dependency] or outcome == ''
    or not rules.spoils(groups[group + 1], edges.count_of(outcome, kind)) then
    return
  end
  seen[dependency] = true
  local status, fallback = status_of(dependency)
  while status == 'failed' and fallback do -- what stood in for it last is to blame
    dependency = fallback
    status, fallback = status_of(dependency)
  end
  if GOES_ON[status] then
    stack[#stack + 1] = { dependency, '0' }
  else
    for _, fact in ipairs({ dependency, status, outcome }) do
      roots[#roots + 1] = fact
    end
  end
end

while #stack > 0 and looks < BUDGET do
  local id, cursor = unpack(table.remove(stack))
  local hash = edges.deciding({ id = id, joins = redis.call('HGET', key('job', id), 'joins') or nil })
  local groups = edges.read_groups(hash)
  local page = redis.call('HSCAN', hash, cursor, 'COUNT', 100)
  if page[1] ~= '0' then
    stack[#stack + 1] = { id, page[1] }
  end
  for i = 1, #page[2], 2 do
    if string.sub(page[2][i], 1, 1) ~= '#' then
      look_at(page[2][i], page[2][i + 1], groups)
    end
  end
  looks = looks + #page[2] / 2 + 1
end

local rest = {}
for i = #stack, 1, -1 do
  rest[#rest + 1] = stack[i][1]
  rest[#rest + 1] = stack[i][2]
end
return { roots, rest }
