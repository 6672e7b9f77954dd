-- lib/news: all that knows of other jobs than the one at hand, for calls that mostly deal with jobs which nobody waits for.

local news = {}
-- @include lib/deliver
-- @include lib/repeats
-- @include lib/reports

news.become, news.is_being_canceled, news.deliver, news.released = become, is_being_canceled, deliver, released
news.reports, news.repeats = reports, repeats

return news
