-- lib/further_rules: all rules but the one by which nearly all jobs wait; what they consist of is said in lib/rules.

local further_rules = {
  all_failed = {
    holds = function(g) return g.bad == g.total end,
    can = function(g) return g.ok == 0 and g.skip == 0 end,
    spoiled_by = { ok = true, skip = true },
  },
  all_done = {
    holds = function(g) return g.waiting == 0 end,
    can = function() return true end,
    spoiled_by = {},
  },
  one_success = {
    holds = function(g) return g.ok > 0 end,
    can = function(g) return g.ok > 0 or g.waiting > 0 end,
    spoiled_by = { bad = true, skip = true },
    blames = true,
  },
  one_failed = {
    holds = function(g) return g.bad > 0 end,
    can = function(g) return g.bad > 0 or g.waiting > 0 end,
    spoiled_by = { ok = true, skip = true },
  },
  one_done = {
    holds = function(g) return g.ok + g.bad > 0 end,
    can = function(g) return g.ok + g.bad > 0 or g.waiting > 0 end,
    spoiled_by = { skip = true },
  },
  none_failed = {
    holds = function(g) return g.waiting == 0 and g.bad == 0 end,
    can = function(g) return g.bad == 0 end,
    spoiled_by = { bad = true },
    blames = true,
  },
  none_skipped = {
    holds = function(g) return g.waiting == 0 and g.skip == 0 end,
    can = function(g) return g.skip == 0 end,
    spoiled_by = { skip = true },
  },
  none_failed_min_one_success = {
    holds = function(g) return g.waiting == 0 and g.bad == 0 and g.ok > 0 end,
    can = function(g) return g.bad == 0 and (g.ok > 0 or g.waiting > 0) end,
    spoiled_by = { bad = true, skip = true },
    blames = true,
  },
  all_done_min_one_success = {
    holds = function(g) return g.waiting == 0 and g.ok > 0 end,
    can = function(g) return g.ok > 0 or g.waiting > 0 end,
    spoiled_by = { bad = true, skip = true },
    blames = true,
    safe_after_one = true, -- one success is enough: what fails later can't make it end as upstream_failed
  },
  fallback = {
    holds = function(g) return g.bad > 0 end,
    can = function(g) return g.skip == 0 end,
    spoiled_by = { skip = true },
  },
}

return further_rules
