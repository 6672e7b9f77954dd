-- @include lib/edges
-- edges: what a job depends on, a page at a time.
--   KEYS   prefix
--   ARGV   id · cursor: 0 at first, then as replied
--   reply  {next cursor, or 0 at the end, {group: `rule:total:ok:bad:skip`, …},
--           {id, kind, number of its group, outcome so far, status now, …}}; a page may be empty, and an edge come twice

local id, cursor = argument.text(), argument.text()
local hash = key('dependencies', id)
local texts = {}
for n, group in ipairs(edges.read_groups(id)) do
  texts[n] = edges.group_text(group)
end
local page = redis.call('HSCAN', hash, cursor, 'COUNT', math.ceil(BUDGET / 2))
local list = {}
for i = 1, #page[2], 2 do
  local dependency = page[2][i]
  if string.sub(dependency, 1, 1) ~= '#' then
    local kind, group, _, outcome = edges.parse_register(page[2][i + 1])
    local status = redis.call('HGET', key('job', dependency), 'status') or ''
    for _, value in ipairs({ dependency, kind, tonumber(group), outcome, status }) do
      list[#list + 1] = value
    end
  end
end
return { page[1], texts, list }
