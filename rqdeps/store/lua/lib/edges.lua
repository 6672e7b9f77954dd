-- @include lib/base
-- lib/edges: the registers of a job, one for each of its dependencies, and the groups they stand in.
-- A register is `kind:group:epoch:outcome`; its outcome is empty while it waits. The kind is `dependency`; `output` where
-- the job wants the dependency's value too; `fallback` where it stands in for the dependency if that fails; `spawn` where
-- the job has spawned it. `#` holds the number of groups, `#n` the rule and counts of group n. What a job waits for before
-- it runs stands in `dependencies:<id>`, what it joins after that in `joins:<id>`.

local edges = {}

-- The count of a group in which an outcome stands. A fallback is for jobs that failed themselves, and for no other end.
function edges.count_of(outcome, kind)
  if kind == 'fallback' then
    return outcome == 'failed' and 'bad' or 'skip'
  elseif outcome == 'finished' then
    return 'ok'
  elseif outcome == 'skipped' then
    return 'skip'
  end
  return 'bad'
end

-- Counts an outcome in a group, or takes it out again (`by` -1). An empty outcome waits, and stands in no count.
function edges.count(group, outcome, kind, by)
  if outcome ~= '' then
    local name = edges.count_of(outcome, kind)
    group[name] = group[name] + by
  end
end

local last_register = {}

-- Most registers that a call makes are alike.
function edges.register(kind, group, epoch, outcome)
  local last = last_register
  if last.kind ~= kind or last.group ~= group or last.epoch ~= epoch or last.outcome ~= outcome then
    last.kind, last.group, last.epoch, last.outcome = kind, group, epoch, outcome
    last.text = table.concat({ kind, digits(group), digits(epoch), outcome }, ':')
  end
  return last.text
end

function edges.parse_register(text)
  local kind, group, epoch, outcome = string.match(text, '^(%a+):(%d+):(%d+):(.*)$')
  return kind, group, tonumber(epoch), outcome
end

-- Whether a register waits.
function edges.is_open(text)
  return string.sub(text, -1) == ':'
end

function edges.group_text(g)
  return table.concat({ g.rule, digits(g.total), digits(g.ok), digits(g.bad), digits(g.skip) }, ':')
end

local parsed = {}

-- Many groups that a call reads are alike.
function edges.parse_group(text)
  local g = parsed[text]
  if not g then
    local rule, total, ok, bad, skip = string.match(text, '^([%a_]+):(%d+):(%d+):(%d+):(%d+)$')
    g = { rule = rule, total = tonumber(total), ok = tonumber(ok), bad = tonumber(bad), skip = tonumber(skip) }
    parsed[text] = g
  end
  return { rule = g.rule, total = g.total, ok = g.ok, bad = g.bad, skip = g.skip }
end

-- All groups of a job, given how many there are and the text of the first.
function edges.groups(hash, count, first)
  local groups = { edges.parse_group(first) }
  if count > 1 then
    local names = {}
    for n = 1, count - 1 do
      names[n] = '#' .. n
    end
    for n, text in ipairs(redis.call('HMGET', hash, unpack(names))) do
      groups[n + 1] = edges.parse_group(text)
    end
  end
  return groups
end

-- The registers that decide on a job: of what it joins, once it has run, else of its dependencies.
function edges.deciding(j)
  return key(j.joins and 'joins' or 'dependencies', j.id)
end

-- All groups in a hash of registers; none if there are none.
function edges.read_groups(hash)
  local known = redis.call('HMGET', hash, '#', '#0')
  return known[1] and edges.groups(hash, tonumber(known[1]), known[2]) or {}
end

return edges
