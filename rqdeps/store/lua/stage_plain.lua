-- @include lib/plain_jobs
-- @include lib/gates
-- stage_plain: keeps a piece of many plain jobs behind a gate as it has come, until the gate is opened. Nothing of them is
-- made before that: nobody depends on them, and nobody sees them.
--   KEYS   prefix
--   ARGV   gate · number of this piece, from 1 · again, as in enqueue_plain · list of queue names to register
--          the jobs, see lib/plain_jobs; nobody else can have their ids
--   reply  {'ok'} · {'given up'} · {'duplicate', id}

local gate, number, again, queues = argument.text(), argument.number(), argument.text() == '1', argument.list()
local reply = gates.reply_to_piece(gate, number)
if reply then
  return reply
end
local first = argument.position + 1
local known, other = plain_jobs.known(ARGV, first, #ARGV, again, gates.is_visible)
if other then
  return { 'duplicate', other }
end
gates.note_piece(gate, number)
register_queues(queues, 1, #queues)

local list = ARGV
if next(known) then
  list, first = plain_jobs.unknown(ARGV, first, #ARGV, known), 1
end
local AT_ONCE = 2000 -- which Lua can hand over to a command
for from = first, #list, AT_ONCE do
  redis.call('RPUSH', key('plain', gate), unpack(list, from, math.min(from + AT_ONCE - 1, #list)))
end
return { 'ok' }
