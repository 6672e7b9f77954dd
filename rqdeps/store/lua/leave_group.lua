-- @include lib/job
-- @include lib/group
-- leave_group: takes a job out of its group.
--   KEYS   prefix
--   ARGV   group · id
--   reply  1 if it was in the group, else 0

local group, id = argument.text(), argument.text()
local j = job.read(id)
if not j or j.group ~= group then
  return 0
end
leave_group(j)
redis.call('HDEL', key('job', id), 'group')
return 1
