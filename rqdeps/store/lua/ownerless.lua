-- @include lib/base
-- ownerless: those of some keys that belong to nobody: to no job, queue, worker, workflow, group or gate that is there, or to
-- no kind of key that there is.
--   KEYS   prefix
--   ARGV   list of names of keys, without the prefix
--   reply  {those of the names}

local SINGLE = {
  schema = true, queues = true, beat = true, timers = true, cascades = true, reopenings = true, gates = true, links = true,
  workers = true, workflows = true, durations = true, groups = true,
}

local function is_job(id)
  return redis.call('EXISTS', key('job', id)) == 1
end

-- Whether a name stands in a sorted set of the whole deployment.
local function stands_in(set)
  return function(name)
    return redis.call('ZSCORE', PREFIX .. set, name)
  end
end

local function is_gate(name)
  return redis.call('ZSCORE', PREFIX .. 'gates', name) or redis.call('ZSCORE', PREFIX .. 'cascades', 'gate:' .. name)
end

local queues
local function is_queue(name)
  if not queues then
    queues = {}
    for _, queue in ipairs(redis.call('SMEMBERS', PREFIX .. 'queues')) do
      queues[queue] = true
    end
  end
  return queues[name]
end

-- Whether a job stands where its status says. Where it waits in a list, looking for it would take too long.
local function has_place(id)
  local facts = redis.call('HMGET', key('job', id), 'status', 'queue', 'gate')
  if facts[3] then
    return redis.call('ZSCORE', key('gate', facts[3]), id)
  elseif facts[1] == 'queued' then
    return true
  end
  return facts[1] and facts[2] and redis.call('ZSCORE', key(facts[1], facts[2]), id)
end

local OWNERS = {
  job = has_place,
  worker = stands_in('workers'), inbox = stands_in('workers'),
  workflow = stands_in('workflows'), ['workflow-jobs'] = stands_in('workflows'),
  group = stands_in('groups'),
  gate = is_gate, plain = is_gate,
  joins = function(name)
    return is_job(name) or is_gate(name)
  end,
}
for _, kind in ipairs({
  'payload', 'result', 'meta', 'function', 'retry', 'repeat', 'callbacks', 'description', 'reason', 'progress',
  'attempts', 'log', 'dependencies', 'dependents',
}) do
  OWNERS[kind] = is_job
end
for _, kind in ipairs({
  'queue', 'queue-meta', 'wake', 'created', 'deferred', 'scheduled', 'started', 'joining', 'finished', 'failed', 'stopped',
  'canceled', 'upstream_failed', 'skipped',
}) do
  OWNERS[kind] = is_queue
end

local list = {}
for _, name in ipairs(argument.list()) do
  local kind, owner = string.match(name, '^([^:]*):(.*)$')
  local is_owned = kind and OWNERS[kind]
  local belongs = is_owned and is_owned(owner) or not kind and SINGLE[name]
  if not belongs and redis.call('EXISTS', PREFIX .. name) == 1 then -- it may have gone meanwhile
    list[#list + 1] = name
  end
end
return list
