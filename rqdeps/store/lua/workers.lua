-- @include lib/base
-- workers: all workers that gave a sign of life lately.
--   KEYS   prefix
--   ARGV   none
--   reply  {the server's time in ms, {name, {fields}, name, {fields}, …}}

local list = {}
for _, worker in ipairs(redis.call('ZRANGE', PREFIX .. 'workers', 0, -1)) do
  list[#list + 1] = worker
  list[#list + 1] = redis.call('HGETALL', key('worker', worker))
end
return { digits(now), list }
