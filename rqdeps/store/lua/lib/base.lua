-- @include lib/keys
-- lib/base: what nearly all scripts need: registries, numbers as text, ARGV read from left to right.

-- The epoch of a job whose hash says none.
local FIRST_EPOCH = 1

-- The epoch that a job's field tells, or its absence.
local function epoch_of(field)
  return tonumber(field or FIRST_EPOCH)
end

local registries = {}

-- The key of the registry of a queue's jobs with this status. A call asks for few of them, and often.
local function registry(status, queue)
  local of_queue = registries[queue]
  if not of_queue then
    of_queue = {}
    registries[queue] = of_queue
  end
  local name = of_queue[status]
  if not name then
    name = key(status, queue)
    of_queue[status] = name
  end
  return name
end

local texts = {}

-- Whole numbers as text: Lua's own conversion loses digits beyond 14. The same few times come again and again in a call.
local function digits(number)
  local text = texts[number]
  if not text then
    text = string.format('%.0f', number)
    texts[number] = text
  end
  return text
end

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

-- So many texts at once.
function argument.texts(count)
  local first = argument.position + 1
  argument.position = argument.position + count
  return unpack(ARGV, first, argument.position)
end

local AT_ONCE = 1000 -- which Lua can put into a table without looking at each

-- A list: its length, then its elements.
function argument.list()
  local count = argument.number()
  if count <= AT_ONCE then
    return { argument.texts(count) }
  end
  local list = {}
  for i = 1, count do
    list[i] = argument.text()
  end
  return list
end

local WHEN_USED = {}

function WHEN_USED.__index(unused, name)
  local library = unused.load()
  unused.load = nil
  setmetatable(unused, { __index = library, __newindex = library })
  return library[name]
end

-- A library that is loaded when it is first used: most calls need few, and making all their functions takes longer than
-- what a plain job needs. Libraries that end with `return` are put together in this way.
local function when_used(load)
  return setmetatable({ load = load }, WHEN_USED)
end

local function is_loaded(library)
  return rawget(library, 'load') == nil
end
