-- @include lib/new_jobs
-- @include lib/deliver
-- @include lib/through
-- @include lib/new_links
-- enqueue: saves jobs with all their dependencies, and puts those that may run where they can be claimed.
--   KEYS   prefix
--   ARGV   see lib/new_jobs
--   reply  {'ok', cascades left} · {'duplicate', id} · {'unknown', id}

new_jobs.read()
local refusal = new_jobs.check(is_through) or new_links.check()
if refusal then
  return refusal
end
new_jobs.register_queues()
new_links.save_edges()
new_links.save()
new_links.enter_workflows()
new_links.enter_groups()

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

local left = deliver(BUDGET)
wake.flush()
return { 'ok', new_jobs.again and cascades_left() or left }
