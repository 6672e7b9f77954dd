-- @include lib/outcome
-- outputs: the values that a claimed job wants of its dependencies, or that a job's result holds of what it has joined, a
-- page at a time.
--   KEYS   prefix
--   ARGV   id · 1 for what it has joined, else 0 · cursor: 0 at first, then as replied
--   reply  {next cursor, or 0 at the end, {id, status or '', value or '', id of the job that the value is of if it holds
--          outputs of what that has joined, else '', …}}; a finished job without value has lost it.
--          Where a fallback stood in for a job that failed, status and value are the fallback's. For the job that the
--          claimed one stands in for, the status reads `fallback` and the value is its last attempt, see `attempts`.

local id, kind_of_hash, cursor = argument.text(), argument.text() == '1' and 'joins' or 'dependencies', argument.text()
local page = redis.call('HSCAN', key(kind_of_hash, id), cursor, 'COUNT', 100)
local values = {}

local function add(...)
  for _, value in ipairs({ ... }) do
    values[#values + 1] = value
  end
end

local function read(dependency)
  if not redis.call('ZSCORE', key('dependents', dependency), id) then
    return '', '', '' -- it has been deleted, and another job may have its id now
  end
  local source = dependency
  local known = redis.call('HMGET', key('job', source), 'status', 'result', 'fallback', 'gives')
  while known[1] == 'failed' and known[3] do
    source = known[3]
    known = redis.call('HMGET', key('job', source), 'status', 'result', 'fallback', 'gives')
  end
  return known[1] or '', known[2] and job.text(source, 'result', known[2]) or '', known[4] and source or ''
end

for i = 1, #page[2], 2 do
  local dependency = page[2][i]
  local kind = string.sub(dependency, 1, 1) ~= '#' and edges.parse_register(page[2][i + 1])
  if kind == 'output' then
    add(dependency, read(dependency))
  elseif kind == 'fallback' then
    add(dependency, 'fallback', redis.call('LINDEX', key('attempts', dependency), -1) or '', '')
  end
end
return { page[1], values }
