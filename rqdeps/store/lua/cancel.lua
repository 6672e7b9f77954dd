-- @include lib/deliver
-- @include lib/repeats
-- cancel: ends jobs before they run. One that runs is marked, its worker told, and it ends as stopped; one that joins
-- others ends once these have, and a workflow's own job cancels the members.
--   KEYS   prefix
--   ARGV   list of ids · 1 if those of a workflow's members that clean up are canceled too, else 0
--   reply  {cascades left, {for each: canceled, started (it will be stopped), joining (it will end with what it joins),
--           repeating (it would have had another life), the status in which it had ended, or '' if there is no such job}}

allow_when_full()

local ids, all = argument.list(), argument.text() == '1'
local statuses, may_be_again = {}, false
for i, id in ipairs(ids) do
  local j = job.read(id)
  if not j or not gates.is_visible(j) then
    statuses[i] = ''
  else
    local would_repeat = false
    if job.is_workflow(j) then
      cancel.begin_workflow(j, all)
    elseif TERMINAL[j.status] then
      may_be_again = true
      would_repeat = j.repeats and j.status == 'finished' and repeats.stop(j)
    else
      cancel.one(j)
    end
    statuses[i] = would_repeat and 'repeating' or j.status
  end
end
local left = deliver(BUDGET - MOVE_COST * #ids)
wake.flush()
return { may_be_again and cascades_left() or left, statuses }
