-- @include lib/move
-- @include lib/news
-- lib/claim: takes ready jobs from queues for a worker.

local claim = {}

-- What a worker is told of a job that it has claimed: id, queue, fence, attempt, failures, retries, function, payload; and if
-- it has any of these, the four: time limit, retry policy, whether it takes outputs, callbacks.
function claim.told(j, fence, attempt)
  local told = {
    j.id, j.queue, digits(fence), attempt, j.failures, j.retries,
    job.text(j.id, 'function', j['function']), job.text(j.id, 'payload', j.payload),
  }
  if j.timeout or j.retry or j.outputs or j.callbacks then
    told[9], told[10], told[11] = j.timeout or '', job.text(j.id, 'retry', j.retry or ''), j.outputs or ''
    told[12] = job.text(j.id, 'callbacks', j.callbacks or '')
  end
  return told
end

-- One queue entry: claims the job if the entry still counts, and returns what the worker needs; nil if it doesn't, false
-- if the job is canceled with its workflow.
function claim.entry(entry, queue, holder, lease_ms, begun, has_limit)
  local id, epoch = string.match(entry, '^(.*):(%d+)$')
  local j = job.read(id)
  -- The queue is compared too: an entry may be left of a deleted job whose id another has now.
  if not j or j.status ~= 'queued' or j.queue ~= queue or j.epoch ~= tonumber(epoch) then
    return nil
  elseif j.workflow and news.is_being_canceled(j) then
    news.become(j, 'canceled', nil, { left = true })
    claim.has_canceled = true -- and there is news to tell
    return false
  end
  local fence = math.max(j.fence + 1, now_us)
  local attempt = j.attempt + 1
  local fields = { 'fence', digits(fence), 'holder', holder }
  if begun then
    fields[5], fields[6], fields[7], fields[8] = 'begun', 1, 'attempt', attempt
  elseif j.begun then -- that was another attempt
    fields[5], fields[6] = 'begun', 0
  end
  if has_limit then -- whoever ends it then knows, without another command, that this makes room
    fields[#fields + 1] = 'limited'
    fields[#fields + 1] = 1
  end
  if j.progress then -- that was another attempt's
    job.drop(j, { 'progress' })
  end
  move(j, 'started', fields, { left = true, due = now + lease_ms })
  return claim.told(j, fence, attempt)
end

-- Claims up to `want` jobs, within the budget and the limit of each queue, from the first queue first. The first `begin`
-- of them begin at once; the others wait in the worker, and have not begun until it says so. Also returns whether the
-- queues may hold more that could be claimed now.
function claim.take(queues, holder, lease_ms, want, begin)
  local jobs, more = {}, false
  want = math.min(want, math.max(1, math.floor(BUDGET / (2 * JOB_COST))))
  local looks = BUDGET -- entries that no longer count cost time too
  for _, queue in ipairs(queues) do
    local list = key('queue', queue)
    local room, has_limit = wake.room(queue)
    local has_more, has_looked = room > 0, false
    while #jobs < want and looks > 0 and has_more do
      has_looked = true
      -- One more than wanted tells whether there are more, and goes back.
      local asked = math.min(want - #jobs, looks, room)
      local entries = redis.call('LPOP', list, asked + 1) or {}
      has_more = #entries > asked
      if has_more then
        redis.call('LPUSH', list, table.remove(entries))
      end
      for _, entry in ipairs(entries) do
        local taken = claim.entry(entry, queue, holder, lease_ms, #jobs < begin, has_limit)
        if taken then
          jobs[#jobs + 1] = taken
          room = room - 1
        elseif taken == nil then
          redis.call('HINCRBY', key('queue-meta', queue), 'stale', -1)
        end
      end
      looks = looks - #entries
      has_more = has_more and room > 0
    end
    if has_more and (has_looked or redis.call('LLEN', list) > 0) then
      wake.mark(queue)
      more = true
    else
      wake.unmark(queue)
    end
  end
  return jobs, more
end
