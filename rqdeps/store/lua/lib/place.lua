-- @include lib/become
-- @include lib/rules
-- lib/place: a job that is new, or let go, takes its place among those that run, wait or are held.

local function place(j, groups, fields, how)
  if j.held then
    become(j, 'created', fields, how)
  else
    start_timer(j, fields)
    follow(j, #groups == 0 and 'queued' or rules.verdict(groups), fields, how)
  end
end
