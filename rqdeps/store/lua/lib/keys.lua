-- lib/keys: the names of keys, which values have one, and the server's clock: all that the shortest scripts need.
-- KEYS[1] is the prefix of every key of the deployment, such as `{rqdeps}:`.

local PREFIX = KEYS[1]

-- Values longer than this have a key of their own, so that a job's hash stays a listpack.
local INLINE_BYTES = 64

-- Whether a value of a job's field has a key of its own; the field then says `@`.
local function is_long(value)
  return #value > INLINE_BYTES or value == '@'
end

local function key(kind, name)
  return PREFIX .. kind .. ':' .. name
end

local clock = redis.call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = math.floor(now_us / 1000)
