-- @include lib/further_rules
-- @include lib/base
-- lib/rules: the trigger rules, and what a job's groups together mean for it.
-- A group is { rule, total, ok, bad, skip }: of `total` dependencies, so many finished, failed (in any way), were skipped.

local rules = {}

-- Per rule: when it holds, whether it still can, which outcomes have a part in it when it can't, and whether a failure is
-- to blame then.
local RULES = setmetatable({
  all_success = {
    holds = function(g) return g.ok == g.total end,
    can = function(g) return g.bad == 0 and g.skip == 0 end,
    spoiled_by = { bad = true, skip = true },
    blames = true,
  },
}, { __index = further_rules })

-- Whether a dependency that stands in this count of a group has a part in it that the group can't be met any more.
function rules.spoils(g, count)
  local rule = RULES[g.rule]
  g.waiting = g.total - g.ok - g.bad - g.skip
  return rule.spoiled_by[count] and not rule.holds(g) and not rule.can(g)
end

-- Whether what is still waiting could make this group end as upstream_failed.
local function may_fail(rule, g)
  return rule.blames and g.waiting > 0 and not (rule.safe_after_one and g.ok > 0)
end

-- What a job's groups mean for it: queued (its rules are met), deferred (undecided), upstream_failed or skipped.
-- Ends as `skipped` only when nothing still waiting could make it `upstream_failed`, in whatever order things end.
function rules.verdict(groups)
  local met, doomed, undecided_failure = 0, false, false
  for _, g in ipairs(groups) do
    local rule = RULES[g.rule]
    g.waiting = g.total - g.ok - g.bad - g.skip
    if g.total == 0 or rule.holds(g) then -- a group is empty once those it waited for are deleted and it was let go
      met = met + 1
    else
      if not rule.can(g) then
        if rule.blames and g.bad > 0 then
          return 'upstream_failed'
        end
        doomed = true
      end
      undecided_failure = undecided_failure or may_fail(rule, g)
    end
  end
  if met == #groups then
    return 'queued'
  end
  if doomed and not undecided_failure then
    return 'skipped'
  end
  return 'deferred'
end

-- Whether anything that stands in these groups has yet to end.
function rules.is_open(groups)
  for _, g in ipairs(groups) do
    if g.total > g.ok + g.bad + g.skip then
      return true
    end
  end
  return false
end

-- What the groups that a job joins mean for it. Nothing as long as any of them has not ended, so that what has joined has
-- nothing running below it.
function rules.joined(groups)
  if rules.is_open(groups) then
    return 'joining'
  end
  local verdict = rules.verdict(groups)
  return verdict == 'queued' and 'finished' or verdict
end

-- Whether all that stands in these groups has finished.
function rules.all_finished(groups)
  for _, g in ipairs(groups) do
    if g.ok < g.total then
      return false
    end
  end
  return true
end

return rules
