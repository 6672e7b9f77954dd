-- @include lib/keys
-- lib/arrivals: what all ways to bring jobs have in common.

-- In place of a nonce: the job that has the id already, if there is one, is this one.
local ITSELF = '='

-- The statuses, by their ids, of those of some jobs to be that are there, as an earlier sending, or an earlier call, has saved
-- them. Also returns the first of these ids that is another job's, if there is one.
--   nonces    those of the jobs to be, in the order of their ids
--   is_there  tells of a job that stands behind a gate whether it is there for others
local function already_there(ids, nonces, is_there)
  local keys = {}
  for i, id in ipairs(ids) do
    keys[i] = key('job', id)
  end
  local statuses, other = {}, nil
  if #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0 then
    for i, id in ipairs(ids) do
      local facts = redis.call('HMGET', keys[i], 'status', 'nonce', 'gate', 'deleting')
      local nonce = nonces[i] == ITSELF and '' or nonces[i]
      local is_own = (facts[2] or '') == nonce and is_there({ gate = facts[3], deleting = facts[4] })
      statuses[id] = facts[1] or nil
      other = other or facts[1] and not is_own and id
    end
  end
  return statuses, other
end

-- Makes queues known.
local function register_queues(names, first, last)
  for i = first, last do
    redis.call('SADD', PREFIX .. 'queues', names[i])
  end
end
