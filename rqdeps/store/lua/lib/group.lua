-- @include lib/base
-- lib/group: groups hold jobs under a name, in the order in which they came; each is there as long as any of its jobs.

local function enter_group(j)
  redis.call('ZADD', PREFIX .. 'groups', 0, j.group)
  local place = redis.call('ZREVRANGE', key('group', j.group), 0, 0, 'WITHSCORES')[2] or 0
  redis.call('ZADD', key('group', j.group), digits(place + 1), j.id)
end

local function leave_group(j)
  redis.call('ZREM', key('group', j.group), j.id)
  if redis.call('EXISTS', key('group', j.group)) == 0 then
    redis.call('ZREM', PREFIX .. 'groups', j.group)
  end
end
