-- @include lib/edges
-- blame: goes up from jobs that can't run, to those whose end began it.
--   KEYS   prefix
--   ARGV   list of id, cursor, id, cursor, …: jobs to go up from; a cursor is 0 at first, then as replied
--   reply  {{id, status or '' if it has been deleted, how it had ended, …}, {id, cursor, …}}: whose end began it, and jobs
--           from which to go on

local list = argument.list()

-- Rules that want dependencies to fail: those that finished are to blame.
local WANTS_FAILURE = { all_failed = true, one_failed = true }
local GOES_ON = { upstream_failed = true, skipped = true }

local function is_to_blame(rule, outcome)
  if WANTS_FAILURE[rule] then
    return outcome == 'finished' or outcome == 'skipped'
  end
  return outcome ~= '' and outcome ~= 'finished'
end

local stack, roots, seen, looks = {}, {}, {}, 0
for i = #list - 1, 1, -2 do
  stack[#stack + 1] = { list[i], list[i + 1] }
  seen[list[i]] = true
end

local function look_at(dependency, text, rules)
  local kind, group, _, outcome = edges.parse_register(text)
  if kind == 'fallback' or seen[dependency] or not is_to_blame(rules[group + 1].rule, outcome) then
    return
  end
  seen[dependency] = true
  local status = redis.call('HGET', key('job', dependency), 'status') or ''
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
  local rules = edges.read_groups(id)
  local page = redis.call('HSCAN', key('dependencies', id), cursor, 'COUNT', 100)
  if page[1] ~= '0' then
    stack[#stack + 1] = { id, page[1] }
  end
  for i = 1, #page[2], 2 do
    if string.sub(page[2][i], 1, 1) ~= '#' then
      look_at(page[2][i], page[2][i + 1], rules)
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
