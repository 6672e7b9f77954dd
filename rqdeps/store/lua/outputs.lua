-- @include lib/edges
-- @include lib/job
-- outputs: the values that a claimed job wants of its dependencies, a page at a time.
--   KEYS   prefix
--   ARGV   id · cursor: 0 at first, then as replied
--   reply  {next cursor, or 0 at the end, {id, status or '', value or '', …}}; a finished job without value has lost it

local id, cursor = argument.text(), argument.text()
local page = redis.call('HSCAN', key('dependencies', id), cursor, 'COUNT', 100)
local values = {}
for i = 1, #page[2], 2 do
  local dependency = page[2][i]
  if string.sub(dependency, 1, 1) ~= '#' and edges.parse_register(page[2][i + 1]) == 'output' then
    local known = redis.call('HMGET', key('job', dependency), 'status', 'result')
    values[#values + 1] = dependency
    values[#values + 1] = known[1] or ''
    values[#values + 1] = known[2] and job.text(dependency, 'result', known[2]) or ''
  end
end
return { page[1], values }
