-- @include lib/gates
-- workflow: what a workflow counts.
--   KEYS   prefix
--   ARGV   id
--   reply  nil if there is no such workflow, or {{fields of its own job: name, value, …}, {status, count, …,
--          `function:` and a path, how many of its calls have yet to run, …, `queue:` and the name of one of its queues, 1,
--          …}, {path of a function whose calls have not all run, `count:ms` of calls that have finished, or '', …}}

local id = argument.text()
local fields = redis.call('HGETALL', key('job', id))
local j = {}
for f = 1, #fields, 2 do
  j[fields[f]] = fields[f + 1]
  if fields[f] == 'description' then
    fields[f + 1] = job.text(id, 'description', fields[f + 1])
  end
end
if not job.is_workflow(j) or not gates.is_visible(j) then
  return nil
end
local counts, durations = redis.call('HGETALL', key('workflow', id)), {}
for c = 1, #counts, 2 do
  local path = string.match(counts[c], '^function:(.*)$')
  if path and counts[c + 1] ~= '0' then
    durations[#durations + 1] = path
    durations[#durations + 1] = redis.call('HGET', PREFIX .. 'durations', path) or ''
  end
end
return { fields, counts, durations }
