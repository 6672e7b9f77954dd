-- @include lib/new_jobs
-- @include lib/deliver
-- enqueue: saves jobs with all their dependencies, and puts those that may run where they can be claimed.
--   KEYS   prefix
--   ARGV   see lib/new_jobs
--   reply  {'ok', cascades left, {status of each job}} · {'duplicate', id} · {'unknown', id}

new_jobs.read()
local refusal = new_jobs.check()
if refusal then
  return refusal
end
new_jobs.save_edges()
new_jobs.save_links()
new_jobs.enter_workflows()
new_jobs.enter_groups()
new_jobs.register_queues()

-- Those that go to the front go in reverse, so that the first of them comes first.
local to_front = {}
for _, j in ipairs(new_jobs.fresh) do
  if j.at_front then
    table.insert(to_front, 1, j)
  else
    place(j, j.groups, new_jobs.fields_of(j))
  end
end
for _, j in ipairs(to_front) do
  place(j, j.groups, new_jobs.fields_of(j))
end

local told = has_begun_cascades() -- then some of these jobs may have moved on
local left = deliver(BUDGET)
wake.flush()

local statuses = {}
for i, j in ipairs(new_jobs.all) do
  statuses[i] = told and redis.call('HGET', key('job', j.id), 'status') or j.status
end
return { 'ok', new_jobs.again and cascades_left() or left, statuses }
