-- @include lib/requeue
-- @include lib/deliver
-- revive: gives those of some jobs another life that failed, or that a person ended, and that nothing stands in for.
--   KEYS   prefix
--   ARGV   list of ids
--   reply  {cascades left, {for each: 'revived' · 'joins': it has run, and lives again as far as what it joins does · 'left':
--          it has not ended, has finished, waits for others to live again, its fallback stands in for it, or it is a
--          fallback: its job is to be revived, and it waits for that}}

local function revive(j)
  local above = job.above(j)
  if above and above.status == 'failed' then -- that one is to be revived
    return 'left'
  elseif j.joins then
    requeue.join(j)
    return 'joins'
  elseif j.status == 'failed' then
    local came_to = outcome.effective(j)
    if came_to == 'finished' or came_to == '' then
      return 'left'
    end
  elseif j.status == 'canceled' then -- it may not have been released, and waits for others of these jobs
    follow(j, requeue.verdict(j), { 'failures', 0, 'deaths', 0 })
    return j.fallback_of and 'left' or 'revived' -- a fallback only waits for its job again
  elseif j.status ~= 'stopped' then
    return 'left'
  end
  requeue.run(j, { 'failures', 0, 'deaths', 0 })
  return 'revived'
end

local ids, replies = argument.list(), {}
for i, id in ipairs(ids) do
  local j = job.read(id)
  replies[i] = j and gates.is_visible(j) and revive(j) or 'left'
end
local left = deliver(BUDGET - MOVE_COST * #ids)
wake.flush()
return { left, replies }
