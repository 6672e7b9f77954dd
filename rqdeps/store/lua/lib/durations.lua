-- @include lib/job
-- lib/durations: how long the functions of workflows take, from which one can tell how long a workflow will.

local durations = {}

local taken = {} -- what this call adds

function durations.note(j, duration)
  local path = job.text(j.id, 'function', j['function'])
  local of_function = taken[path] or { count = 0, ms = 0 }
  taken[path] = of_function
  of_function.count, of_function.ms = of_function.count + 1, of_function.ms + duration
end

-- After so many, the older half of what is known counts for half.
local MOST_SAMPLES = 200

function durations.save()
  for path, added in pairs(taken) do
    local known = redis.call('HGET', PREFIX .. 'durations', path) or '0:0'
    local count, ms = string.match(known, '^(%d+):(%d+)$')
    count, ms = count + added.count, ms + added.ms
    if count > MOST_SAMPLES then
      count, ms = math.floor(count / 2), math.floor(ms / 2)
    end
    redis.call('HSET', PREFIX .. 'durations', path, digits(count) .. ':' .. digits(ms))
  end
end

return durations
