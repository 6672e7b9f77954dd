-- @include lib/resolve
-- lib/place: a job that is new, or let go, takes its place among those that run, wait or are held.

local function place(j, groups, fields, how)
  if j.held then
    resolve.become(j, 'created', fields, how)
  else
    start_timer(j, fields)
    resolve.follow(j, verdict(groups), fields, how)
  end
end
