-- @include lib/gates
-- vitals: how a deployment goes on as a whole: who maintained it last, what is under way, and what is overdue.
--   KEYS   prefix
--   ARGV   none
--   reply  {the time in ms, {name, value, … of `beat`}, {names of queues},
--           {member, score, how many jobs wait behind it if it is a gate, … of what tells of ends or lives first}, how many
--           there are of these, {gates whose time is over and that no attempt holds}, when the first of `timers` is due, or ''}

local SHOWN = 5

local untold, count = {}, 0
for _, set in ipairs({ 'reopenings', 'cascades' }) do
  count = count + redis.call('ZCARD', PREFIX .. set)
  local page = redis.call('ZRANGE', PREFIX .. set, 0, SHOWN - 1, 'WITHSCORES')
  for i = 1, #page, 2 do
    local gate = string.match(page[i], '^gate:(.*)$')
    untold[#untold + 1] = page[i]
    untold[#untold + 1] = page[i + 1]
    untold[#untold + 1] = gate and gates.waiting(gate) or 0
  end
end
local overdue = {}
for _, gate in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'gates', '-inf', digits(now), 'LIMIT', 0, 2 * SHOWN)) do
  if not gates.is_awaited(gate) then
    overdue[#overdue + 1] = gate
  end
end
local timer = redis.call('ZRANGE', PREFIX .. 'timers', 0, 0, 'WITHSCORES')
return {
  digits(now), redis.call('HGETALL', PREFIX .. 'beat'), redis.call('SMEMBERS', PREFIX .. 'queues'),
  untold, count, overdue, timer[2] or '',
}
