-- @include lib/base
-- sample: some jobs of a queue that have a status other than queued, with their places and some fields.
--   KEYS   prefix
--   ARGV   queue · status · how many at most · 1 to begin with the last by the score of their registry, else 0
--          list of names of fields
--   reply  {id, score, {values of the fields}, …}

local queue, status, count = argument.text(), argument.text(), argument.number()
local from_the_end, names = argument.text() == '1', argument.list()
local last = math.min(count, BUDGET) - 1

local page = from_the_end and redis.call('ZREVRANGE', key(status, queue), 0, last, 'WITHSCORES')
  or redis.call('ZRANGE', key(status, queue), 0, last, 'WITHSCORES')
local reply = {}
for i = 1, #page, 2 do
  reply[#reply + 1] = page[i]
  reply[#reply + 1] = page[i + 1]
  reply[#reply + 1] = redis.call('HMGET', key('job', page[i]), unpack(names))
end
return reply
