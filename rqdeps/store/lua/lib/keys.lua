-- lib/keys: the names of keys, and the server's clock: all that the shortest of scripts need.
-- KEYS[1] is the prefix of every key of the deployment, such as `{rqdeps}:`.

local PREFIX = KEYS[1]

-- Values longer than this have a key of their own, so that a job's hash stays a listpack.
local INLINE_BYTES = 64

local function key(kind, name)
  return PREFIX .. kind .. ':' .. name
end

local clock = redis.call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = math.floor(now_us / 1000)
