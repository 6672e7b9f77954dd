-- @include lib/delivery
-- lib/deliver: works off what a call has begun and taken up. Returns how many cascades had to be left.

-- Whether this call may have made news for anybody.
local function has_begun_cascades()
  return is_loaded(cascades)
end

local function deliver(budget)
  if not has_begun_cascades() then
    return 0
  end
  return delivery.run(budget)
end

-- Works off what others have left too.
local function carry_on(budget)
  return delivery.run(budget, true)
end

-- How many cascades there are. The second sending of a call can't tell which of them the first one left.
local function cascades_left()
  return redis.call('ZCARD', PREFIX .. 'reopenings') + redis.call('ZCARD', PREFIX .. 'cascades')
end
