-- @include lib/gates
-- find: the jobs of a queue that have a status and that fit, a page at a time.
--   KEYS   prefix
--   ARGV   queue · status · the latest first: 1, or 0 for the order in which they run, wait or ended
--          cursor: empty at first, then as replied · how many to find at most
--          part of the function's path · part of the error, both in small letters, empty for any
--          for how long it has had its status at least · and at most, in ms, empty for any
--          list of names of fields to reply
--   reply  {the time in ms, next cursor, or empty at the end,
--           {id, since when it has had its status, the error in short, {values of the fields, empty for none}, …}}

local queue, status, latest_first = argument.text(), argument.text(), argument.text() == '1'
local cursor, most = argument.text(), argument.number()
local function_part, error_part = argument.text(), argument.text()
local older, newer = argument.number(), argument.number()
local names = argument.list()

-- Which of a job's times is that of its entry into a status; of one that is scheduled, its last attempt's or else the first
-- of all, and of others the score in the registry.
local ENTRY = {
  queued = 'enqueued_at', started = 'started_at', finished = 'ended_at', failed = 'ended_at', stopped = 'ended_at',
  canceled = 'ended_at', upstream_failed = 'ended_at', skipped = 'ended_at', scheduled = 'started_at',
}

-- What decides whether a job fits; names of fields, and behind them their places.
local FITS = { 'status', 'queue', 'function', ENTRY[status] or 'status', 'created_at', 'attempt', 'reason' }
local FUNCTION, ENTERED, CREATED, ATTEMPT, REASON = 3, 4, 5, 6, 7

-- How much of an error is shown.
local SHOWN_BYTES = 300

-- What it costs to look at a job, to read its error, with one more for so many bytes of it, and to reply it.
local LOOK, READ, REPLY = 2, 1, 2
local READ_BYTES = 2048
local left = BUDGET

local function text(id, name, value)
  return value and job.text(id, name, value) or ''
end

local function since(id, facts)
  if ENTRY[status] then
    return tonumber(facts[ENTERED] or facts[CREATED] or 0)
  end
  return tonumber(redis.call('ZSCORE', key(status, queue), id) or 0)
end

-- What the last attempt that did not finish said, or why a person or a rule ended the job.
local function error_of(id, facts)
  if status ~= 'finished' and facts[ATTEMPT] then
    local last = redis.call('LINDEX', key('attempts', id), -1) or ''
    left = left - READ - math.floor(#last / READ_BYTES)
    local is_read, details = pcall(cjson.decode, string.match(last, '\n(.*)$') or '')
    if is_read and type(details) == 'table' and (details.type or '') ~= '' then
      return string.match(details.type, '[^.]*$') .. ': ' .. (details.message or '')
    end
  end
  return text(id, 'reason', facts[REASON])
end

local function contains(told, part)
  return part == '' or string.find(string.lower(told), part, 1, true)
end

local found = {}

local function look(id)
  left = left - LOOK
  local facts = gates.facts(id, unpack(FITS))
  if not facts or facts[1] ~= status or facts[2] ~= queue then
    return
  end
  local entered = since(id, facts)
  if older and now - entered < older or newer and now - entered > newer then
    return
  elseif not contains(text(id, 'function', facts[FUNCTION]), function_part) then
    return
  end
  local error_text = error_of(id, facts)
  if not contains(error_text, error_part) then
    return
  end
  local values = redis.call('HMGET', key('job', id), unpack(names))
  for i, name in ipairs(names) do
    values[i] = text(id, name, values[i])
  end
  found[#found + 1] = id
  found[#found + 1] = digits(entered)
  found[#found + 1] = string.sub(error_text, 1, SHOWN_BYTES)
  found[#found + 1] = values
  left = left - REPLY
  most = most - 1
end

-- A cursor is the position to go on at, and what was seen last there: of the ready list an entry, of a registry a job with
-- its score. Where that has moved meanwhile, reading goes back rather than on, so that nothing that stays is passed over.
local position, score, last = 0, '', ''
if cursor ~= '' then
  position, score, last = string.match(cursor, '^(%d+):([^:]*):(.*)$')
  position = tonumber(position)
end

-- How many more entries may have come to a list since the last call, for its reading to go on where it was.
local COMES_AT_ONCE = 10000

-- Where reading of the list goes on. What is gone was taken at an end: then there is nothing behind it any more, or all that
-- was before it has gone too.
local function position_in_list(list)
  if redis.call('LINDEX', list, latest_first and -position or position - 1) == last then
    return position
  end
  local most_seen = position + COMES_AT_ONCE
  local index = redis.call('LPOS', list, last, 'RANK', latest_first and -1 or 1, 'MAXLEN', most_seen)
  if not index then
    return 0
  end
  return latest_first and redis.call('LLEN', list) - index or index + 1
end

-- Where reading of a registry goes on: behind the job seen last, or where that was before it left or got another score.
local function position_in_registry(place)
  local is_there = redis.call('ZSCORE', place, last) == score
  if latest_first then
    local above = is_there and last or redis.call('ZRANGEBYSCORE', place, '(' .. score, '+inf', 'LIMIT', 0, 1)[1]
    return above and redis.call('ZREVRANK', place, above) + 1 or 0
  elseif is_there then
    return redis.call('ZRANK', place, last) + 1
  end
  local following = redis.call('ZRANGEBYSCORE', place, score, '+inf', 'LIMIT', 0, 1)[1]
  return following and redis.call('ZRANK', place, following) or redis.call('ZCARD', place)
end

local function entries(first, count)
  local final = first + count - 1
  if status ~= 'queued' then
    local place = key(status, queue)
    return latest_first and redis.call('ZREVRANGE', place, first, final) or redis.call('ZRANGE', place, first, final)
  elseif not latest_first then
    return redis.call('LRANGE', key('queue', queue), first, final)
  end
  local page, turned = redis.call('LRANGE', key('queue', queue), -final - 1, -first - 1), {}
  for i = #page, 1, -1 do
    turned[#turned + 1] = page[i]
  end
  return turned
end

if last ~= '' then
  position = status == 'queued' and position_in_list(key('queue', queue)) or position_in_registry(key(status, queue))
end

local PAGE = 100

local at_end = false
while not at_end and left > 0 and most > 0 do
  local page, i = entries(position, PAGE), 0
  while i < #page and left > 0 and most > 0 do
    i = i + 1
    last = page[i]
    look(status == 'queued' and string.match(last, '^(.*):%d+$') or last)
  end
  position = position + i
  at_end = i == #page and #page < PAGE
end

local next_cursor = ''
if not at_end then
  next_cursor = position .. ':' .. (status ~= 'queued' and redis.call('ZSCORE', key(status, queue), last) or '') .. ':' .. last
end
return { digits(now), next_cursor, found }
