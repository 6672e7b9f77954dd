-- lib/base: the names of keys, the server's clock, and numbers as text.
-- KEYS[1] is the prefix of every key of the deployment, such as `{rqdeps}:`.

local PREFIX = KEYS[1]

-- Values longer than this have a key of their own, so that a job's hash stays a listpack.
local INLINE_BYTES = 64

local function key(kind, name)
  return PREFIX .. kind .. ':' .. name
end

-- Whole numbers as text: Lua's own conversion loses digits beyond 14.
local function digits(number)
  return string.format('%.0f', number)
end

local clock = redis.call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = math.floor(now_us / 1000)

-- A full server refuses a script's writes that may take memory, until it has made one that can't. Called first by what
-- must work then too, so that a full server can drain.
local function allow_when_full()
  redis.call('ZREM', PREFIX .. 'workers', '')
end

-- Reads ARGV from left to right.
local argument = { position = 0 }

function argument.text()
  argument.position = argument.position + 1
  return ARGV[argument.position]
end

function argument.number()
  return tonumber(argument.text())
end

-- A list: its length, then its elements.
function argument.list()
  local list = {}
  for i = 1, argument.number() do
    list[i] = argument.text()
  end
  return list
end

-- A library that is loaded when it is first used: most calls need few, and making all their functions takes longer than
-- what a plain job needs. Libraries that end with `return` are put together in this way.
local function when_used(load)
  return setmetatable({}, {
    __index = function(self, name)
      local library = load()
      rawset(self, 'is_loaded', true)
      setmetatable(self, { __index = library, __newindex = library })
      return library[name]
    end,
  })
end
