-- @include lib/gates
-- dependents: the jobs that wait, or waited, for a job, in the order of their linking, a page at a time.
--   KEYS   prefix
--   ARGV   id · place of the last one known, -1 at first
--   reply  {id, place, …}, empty at the end; in place of an id that is there for nobody yet, or no longer, stands ''

local page = redis.call('ZRANGEBYSCORE', key('dependents', argument.text()), '(' .. argument.text(), '+inf',
  'WITHSCORES', 'LIMIT', 0, BUDGET)
for i = 1, #page, 2 do
  if not gates.facts(page[i]) then
    page[i] = ''
  end
end
return page
