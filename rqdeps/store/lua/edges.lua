-- @include lib/edges
-- @include lib/rules
-- edges: what a job depends on, a page at a time.
--   KEYS   prefix
--   ARGV   id · 1 for what it joins, 0 for what it waits for before it runs · cursor: 0 at first, then as replied
--   reply  {next cursor, or 0 at the end, {group: `rule:total:ok:bad:skip`, …},
--           {id, kind, number of its group, outcome so far, status now, 1 if it has a part in it that its group can't be
--           met any more, else 0, …}}; a page may be empty, and an edge come twice

local id, kind_of_hash, cursor = argument.text(), argument.text() == '1' and 'joins' or 'dependencies', argument.text()
local hash = key(kind_of_hash, id)
local groups, texts = edges.read_groups(hash), {}
for n, group in ipairs(groups) do
  texts[n] = edges.group_text(group)
end
local page = redis.call('HSCAN', hash, cursor, 'COUNT', math.ceil(BUDGET / 2))
local list = {}
for i = 1, #page[2], 2 do
  local dependency = page[2][i]
  if string.sub(dependency, 1, 1) ~= '#' then
    local kind, group, _, outcome = edges.parse_register(page[2][i + 1])
    local is_there = redis.call('ZSCORE', key('dependents', dependency), id) -- and not another job with its id
    local status = is_there and redis.call('HGET', key('job', dependency), 'status') or ''
    local has_part = outcome ~= '' and rules.spoils(groups[group + 1], edges.count_of(outcome, kind))
    for _, value in ipairs({ dependency, kind, tonumber(group), outcome, status, has_part and 1 or 0 }) do
      list[#list + 1] = value
    end
  end
end
return { page[1], texts, list }
