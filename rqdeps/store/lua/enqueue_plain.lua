-- @include lib/plain_jobs
-- @include lib/through
-- enqueue_plain: saves jobs that have to do with no others and may run at once, and queues them.
--   KEYS   prefix
--   ARGV   again: 1 when a first sending may have arrived, else 0 · list of queue names to register
--          the jobs, see lib/plain_jobs
--   reply  {'ok', 0}: no cascades are left · {'duplicate', id}

local first = 3 + ARGV[2]
local known, other = plain_jobs.known(ARGV, first, #ARGV, ARGV[1] == '1', is_through)
if other then
  return { 'duplicate', other }
end
register_queues(ARGV, 3, first - 1)
plain_jobs.save(ARGV, first, #ARGV, known)
return { 'ok', 0 }
