-- @include lib/requeue
-- @include lib/deliver
-- revive: gives those of some jobs another life that failed, or that a person ended, and that nothing stands in for.
--   KEYS   prefix
--   ARGV   a token, by which the second sending of a call is known · list of ids
--   reply  {cascades left, {for each: 'revived' · 'joins': it has run, and lives again as far as what it joins does · 'left':
--          it has not ended, has finished, waits for others to live again, its fallback stands in for it, or it is a
--          fallback: its job is to be revived, and it waits for that}}

local token, is_again = argument.text(), false
local revived = {} -- by this sending

local function revive(j)
  local fields = { 'failures', 0, 'deaths', 0, 'requeued_by', token }
  local above = job.above(j)
  if j.requeued_by == token and not revived[j.id] then -- it may have failed once more by now: that is another matter
    is_again = true
    return 'revived'
  elseif above and above.status == 'failed' then -- that one is to be revived
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
    if j.fallback_of then -- it only waits for its job again
      follow(j, requeue.verdict(j), { 'failures', 0, 'deaths', 0 })
      return 'left'
    end
    follow(j, requeue.verdict(j), fields)
    return 'revived'
  elseif j.status ~= 'stopped' then
    return 'left'
  end
  requeue.run(j, fields)
  return 'revived'
end

local ids, replies = argument.list(), {}
for i, id in ipairs(ids) do
  local j = job.read(id)
  replies[i] = j and gates.is_visible(j) and revive(j) or 'left'
  revived[id] = true
end
local left = deliver(BUDGET - MOVE_COST * #ids)
wake.flush()
return { is_again and cascades_left() or left, replies }
