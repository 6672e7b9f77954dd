-- @include lib/gates
-- fetch: the hashes of jobs. Payload and result are `@` where they are long, and read with `read_part`.
--   KEYS   prefix
--   ARGV   list of ids
--   reply  {{name, value, name, value, …} for each, empty where there is no such job}

local LONG = {
  ['function'] = true, retry = true, callbacks = true, description = true, reason = true, meta = true, progress = true,
}

local jobs = {}
for i, id in ipairs(argument.list()) do
  local fields = redis.call('HGETALL', key('job', id))
  local j = {}
  for f = 1, #fields, 2 do
    if LONG[fields[f]] then
      fields[f + 1] = job.text(id, fields[f], fields[f + 1])
    end
    j[fields[f]] = fields[f + 1]
  end
  jobs[i] = gates.is_visible(j) and fields or {}
end
return jobs
