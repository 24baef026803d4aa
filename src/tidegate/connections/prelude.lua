-- Shared by every function of the library: registration, time, key names.
-- The library is this file, then channels/backends/valkey.lua, then jobs/backends/valkey.lua.
-- KEYS[1] is always the app's prefix `tg1:{app}:`; ARGV[1] is always the time in ms, or '' for the
-- server's own. Every key a function touches begins with the prefix, so one slot holds them all.

-- `redis.call` does not exist while a library loads, so it is looked up when a function runs.
local function call(...)
  return redis.call(...)
end

local function register(name, callback, flags)
  redis.register_function({
    function_name = LIBRARY .. '_' .. name,
    callback = callback,
    flags = flags,
  })
end

local function time_ms(given)
  if given ~= '' then
    return tonumber(given)
  end
  local now = call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

-- Called once on every connect. A server that has restarted may have lost its last writes, so the
-- app's epoch moves on; channels compare it with their own.
register('hello', function(keys, args)
  local meta = keys[1] .. 'meta'
  if call('HGET', meta, 'run') ~= args[2] then
    local count = call('HINCRBY', meta, 'starts', 1)
    call('HSET', meta, 'run', args[2], 'epoch', count .. '-' .. string.sub(args[2], 1, 8))
  end
  return call('HGET', meta, 'epoch')
end)

local function app_epoch(prefix)
  return call('HGET', prefix .. 'meta', 'epoch') or '0'
end

-- Whether this attempt of a job may still write. `leases` says of every running job
-- '<fence> <until ms> …' (the rest: jobs/backends/valkey.lua); a lease that has passed is refused
-- although no sweep has run.
local function fence_holds(prefix, job, fence, now)
  local lease = call('HGET', prefix .. 'leases', job)
  local held, ends = string.match(lease or '', '^(%d+) (%d+) ')
  return held == tostring(fence) and tonumber(ends) > now
end

-- A right held until a stored time, never by a TTL: leader, lock. Answers 1 when `owner` holds it.
register('hold', function(keys, args)
  local now = time_ms(args[1])
  local key, owner, seconds = keys[1] .. 'hold:' .. args[2], args[3], tonumber(args[4])
  local held = call('HMGET', key, 'owner', 'until')
  if held[1] and held[1] ~= owner and tonumber(held[2]) > now then
    return 0
  end
  call('HSET', key, 'owner', owner, 'until', now + math.floor(seconds * 1000))
  return 1
end)

register('unhold', function(keys, args)
  local key = keys[1] .. 'hold:' .. args[2]
  if call('HGET', key, 'owner') ~= args[3] then
    return 0
  end
  return call('DEL', key)
end)
