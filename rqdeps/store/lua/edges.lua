-- @include lib/edges
-- edges: what a job depends on.
--   KEYS   prefix
--   ARGV   id
--   reply  {{group: `rule:total:ok:bad:skip`, …}, {id, kind, number of its group, outcome so far, status now, …}}

local hash = redis.call('HGETALL', key('dependencies', argument.text()))
local texts, groups, list, count = {}, {}, {}, 0
for i = 1, #hash, 2 do
  local field, text = hash[i], hash[i + 1]
  if field == '#' then
    count = tonumber(text)
  elseif string.sub(field, 1, 1) == '#' then
    texts[tonumber(string.sub(field, 2))] = text
  else
    local kind, group, _, outcome = edges.parse_register(text)
    local status = redis.call('HGET', key('job', field), 'status') or ''
    for _, value in ipairs({ field, kind, tonumber(group), outcome, status }) do
      list[#list + 1] = value
    end
  end
end
for n = 1, count do
  groups[n] = texts[n - 1]
end
return { groups, list }
