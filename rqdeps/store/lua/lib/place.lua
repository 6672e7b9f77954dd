-- @include lib/resolve
-- lib/place: a job that is new, or let go, takes its place among those that run, wait or are held.

local function place(j, groups, fields, how)
  if j.held then
    become(j, 'created', fields, how)
  else
    if j.ttl then
      transitions.start_timer(j, fields)
    end
    local may_run = #groups == 0 and not j.joins
    follow(j, may_run and 'queued' or resolve.verdict(j, groups), fields, how)
  end
end
