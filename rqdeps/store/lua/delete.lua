-- @include lib/deliver
-- delete: deletes jobs. What they came to is delivered first; dependents that still wait then follow the policy.
--   KEYS   prefix
--   ARGV   again: 1 when a first sending may have arrived, else 0 · policy for dependents: cancel, release or delete
--          1 if a workflow's members are deleted with it, else 0 · list of ids
--   reply  {cascades left, {for each: 1, or 0 if there is no such job}}

allow_when_full()

local again, policy, takes_members = argument.text() == '1', argument.text(), argument.text() == '1'
local found = {}
for i, id in ipairs(argument.list()) do
  local j = job.read(id)
  found[i] = 0
  if j and gates.is_visible(j) then
    remove.begin(j, policy, takes_members and job.is_workflow(j))
    found[i] = 1
  elseif again and not j or j and j.deleting then -- the first sending has done it, or begun to
    found[i] = 1
  end
end
local left = deliver(BUDGET)
wake.flush()
return { again and cascades_left() or left, found }
