-- Channels. Keys, all under the app's prefix:
--   c:<channel>   stream of the hot events, ids offset-0, one field d
--   cm:<channel>  hash: e epoch, t top, f first kept, s spilled up to, hb hot bytes, sb spilled
--                 bytes, at last event (ms), tl ttl (ms), g earlier epochs, o 1 if objects may exist
--   cs:<channel>  zset of segments 'epoch/first-last/bytes', scored by last
--   ck:<channel>  zset of idempotency keys, scored by the time they may be forgotten
--   cv:<channel>  hash of what those keys answered, 'offset epoch'
--   cx            zset of channels, scored by a time before which they do not end
--   cl            hash of how many channels ended, by bucket of names
--   cg            set of ended channels whose objects are still to be deleted
-- c:<channel> is also the name events are published to, as
-- 'epoch first length length ...\n' and then the events one after the other.

local CHANNEL_TTL = 24 * 3600 * 1000
local EPOCHS_REMEMBERED = 8
local KEYS_AT_MOST = 100000

-- The names that ended are only counted, in 4,096 buckets: exact would need one entry per name.
local function channel_bucket(channel)
  return string.sub(redis.sha1hex(channel), 1, 3)
end

local function channel_new_epoch(prefix, channel)
  local lives = call('HGET', prefix .. 'cl', channel_bucket(channel))
  return app_epoch(prefix) .. (lives and ('.' .. lives) or '')
end

-- After a restart of the server: remember where the epoch ended, and go on in the next.
local function channel_moved(prefix, channel, state)
  local past = {state.epoch .. ' ' .. state.top}
  for epoch, base in string.gmatch(state.past, '(%S+) (%S+)') do
    if #past < EPOCHS_REMEMBERED then
      past[#past + 1] = epoch .. ' ' .. base
    end
  end
  state.past = table.concat(past, ' ')
  state.epoch = channel_new_epoch(prefix, channel)
  call('HSET', prefix .. 'cm:' .. channel, 'e', state.epoch, 'g', state.past)
  return state
end

-- A channel as it now is, in the app's epoch; nil before its first event.
local function channel_state(prefix, channel)
  local meta = call('HMGET', prefix .. 'cm:' .. channel, 'e', 't', 'f', 's', 'hb', 'sb', 'g',
    'tl')
  if not meta[1] then
    return nil
  end
  local state = {
    epoch = meta[1],
    top = tonumber(meta[2]),
    first = tonumber(meta[3]),
    spilled = tonumber(meta[4]),
    hot = tonumber(meta[5]),
    cold = tonumber(meta[6]),
    past = meta[7],
    ttl = tonumber(meta[8]),
  }
  if string.match(state.epoch, '^[^.]*') ~= app_epoch(prefix) then
    return channel_moved(prefix, channel, state)
  end
  return state
end

local function channel_blank(prefix, channel)
  local epoch = channel_new_epoch(prefix, channel)
  return {epoch = epoch, top = 0, first = 1, spilled = 0, hot = 0, cold = 0, past = ''}
end

local function channel_exists(prefix, channel)
  return call('EXISTS', prefix .. 'cm:' .. channel) == 1
end

-- How many channels there are of the names made of `stem` and each of `ends`.
local function channels_existing(prefix, stem, ends)
  local names = {}
  for i, name in ipairs(ends) do
    names[i] = prefix .. 'cm:' .. stem .. name
  end
  return #names > 0 and call('EXISTS', unpack(names)) or 0
end

local function channel_begin(prefix, channel, now)
  local state = channel_blank(prefix, channel)
  call('HSET', prefix .. 'cm:' .. channel, 'e', state.epoch, 'f', 1, 's', 0, 'sb', 0, 'g', '')
  call('ZADD', prefix .. 'cx', now, channel)
  return state
end

-- Appends and publishes. Answers the offset of the last event, then the channel's state.
-- Without a `ttl` (ms) the channel keeps the one it has.
local function channel_append(prefix, channel, events, now, ttl)
  local state = channel_state(prefix, channel) or channel_begin(prefix, channel, now)
  local stream, top, sizes = prefix .. 'c:' .. channel, state.top, {}
  for i, data in ipairs(events) do
    call('XADD', stream, (top + i) .. '-0', 'd', data)
    sizes[i] = #data
    state.hot = state.hot + #data
  end
  state.top = top + #events
  if ttl and state.ttl and tonumber(ttl) < state.ttl then
    call('ZADD', prefix .. 'cx', now, channel)
  end
  call('HSET', prefix .. 'cm:' .. channel, 't', state.top, 'hb', state.hot, 'at', now,
    'tl', ttl or state.ttl or CHANNEL_TTL)
  local head = state.epoch .. ' ' .. (top + 1) .. ' ' .. table.concat(sizes, ' ')
  call('SPUBLISH', stream, head .. '\n' .. table.concat(events))
  return state.top, state
end

local function channel_forget_key(prefix, channel, key)
  if call('ZREM', prefix .. 'ck:' .. channel, key) == 1 then
    call('HDEL', prefix .. 'cv:' .. channel, key)
  end
end

local function channel_prune_keys(prefix, channel, now)
  local past = call('ZRANGEBYSCORE', prefix .. 'ck:' .. channel, '-inf', now, 'LIMIT', 0, 32)
  if #past > 0 then
    call('ZREM', prefix .. 'ck:' .. channel, unpack(past))
    call('HDEL', prefix .. 'cv:' .. channel, unpack(past))
  end
end

-- What an append with this key answered, where its window has not passed.
local function channel_known_key(prefix, channel, key, now)
  local keep_until = call('ZSCORE', prefix .. 'ck:' .. channel, key)
  if keep_until and tonumber(keep_until) > now then
    return call('HGET', prefix .. 'cv:' .. channel, key)
  end
end

local function channel_remember_key(prefix, channel, key, keep_until, state)
  call('ZADD', prefix .. 'ck:' .. channel, keep_until, key)
  call('HSET', prefix .. 'cv:' .. channel, key, state.top .. ' ' .. state.epoch)
end

local function channel_hot_events(state)
  return state.top - math.max(state.spilled, state.first - 1)
end

-- args: time, channel, job ('' for none), fence, key ('' for none), window ms, key to forget, ttl
-- ms, then the events.
register('channel_append', function(keys, args)
  local prefix, now, channel, key = keys[1], time_ms(args[1]), args[2], args[5]
  if args[3] ~= '' and not fence_holds(prefix, args[3], args[4], now) then
    return redis.error_reply('STALE the lease of this attempt has passed')
  end
  if args[7] ~= '' then
    channel_forget_key(prefix, channel, args[7])
  end
  if key ~= '' then
    local answered = channel_known_key(prefix, channel, key, now)
    if answered then
      local offset, epoch = string.match(answered, '^(%S+) (%S+)$')
      return {tonumber(offset), epoch, 0, 0, 0}
    end
    channel_prune_keys(prefix, channel, now)
    if call('ZCARD', prefix .. 'ck:' .. channel) >= KEYS_AT_MOST then
      return redis.error_reply('KEYS too many keys are within their windows')
    end
  end
  local events = {}
  for i = 9, #args do
    events[i - 8] = args[i]
  end
  local _, state = channel_append(prefix, channel, events, now, args[8])
  if key ~= '' then
    channel_remember_key(prefix, channel, key, now + tonumber(args[6]), state)
  end
  return {state.top, state.epoch, 1, state.hot, channel_hot_events(state)}
end)

-- Up to `limit` and `max_bytes` of hot events from offset `from`, at least one if there is one.
-- Read in portions of the size that the average promises, so that large events do not pile up.
local function channel_hot(prefix, channel, state, from, limit, max_bytes)
  local stream, events, bytes = prefix .. 'c:' .. channel, {}, 0
  local average = math.max(1, state.hot / math.max(1, channel_hot_events(state)))
  while from + #events <= state.top and #events < limit and bytes < max_bytes do
    local wanted = math.min(limit - #events, math.ceil((max_bytes - bytes) / average))
    local page = call('XRANGE', stream, (from + #events) .. '-0', '+', 'COUNT', wanted)
    if #page == 0 then
      break
    end
    for _, entry in ipairs(page) do
      local data = entry[2][2]
      bytes = bytes + #data
      if bytes > max_bytes and #events > 0 then
        break
      end
      events[#events + 1] = data
    end
  end
  return events
end

-- The offset up to which a reader of `epoch` can have seen what is still there; nil if unknown.
local function channel_shared_up_to(state, epoch)
  if epoch == '' or epoch == state.epoch then
    return state.top
  end
  for past, base in string.gmatch(state.past, '(%S+) (%S+)') do
    if past == epoch then
      return tonumber(base)
    end
  end
end

-- args: time, channel, offset, epoch, limit, bytes. Answers epoch, top, first, whether what follows
-- is without loss, the offset it starts at, and then either segments or events.
register('channel_read', function(keys, args)
  local prefix, channel, offset, epoch = keys[1], args[2], tonumber(args[3]), args[4]
  local state = channel_state(prefix, channel) or channel_blank(prefix, channel)
  local shared = channel_shared_up_to(state, epoch)
  local from = shared and math.min(offset, shared) + 1 or 1
  local start = math.max(from, state.first)
  local complete = (shared and offset <= shared and start == from) and 1 or 0
  local segments, events = {}, {}
  if start <= state.spilled then
    segments = call('ZRANGEBYSCORE', prefix .. 'cs:' .. channel, start, '+inf', 'LIMIT', 0, 16)
  else
    events = channel_hot(prefix, channel, state, start, tonumber(args[5]), tonumber(args[6]))
  end
  return {state.epoch, state.top, state.first, complete, start, segments, events}
end)

register('channel_top', function(keys, args)
  local state = channel_state(keys[1], args[2]) or channel_blank(keys[1], args[2])
  return {state.top, state.epoch}
end)

-- args: time, channel, hot events, hot bytes. Whether the log holds more than these bounds; a
-- spill begins here. Answers epoch, first hot offset, hot bytes, hot events, 1 if it holds more.
register('channel_excess', function(keys, args)
  local prefix, channel = keys[1], args[2]
  local state = channel_state(prefix, channel)
  if not state then
    return {'', 1, 0, 0, 0}
  end
  local from, held = math.max(state.spilled + 1, state.first), channel_hot_events(state)
  local is_over = held > tonumber(args[3]) or state.hot > tonumber(args[4])
  if is_over then
    call('HSET', prefix .. 'cm:' .. channel, 'o', 1)
  end
  return {state.epoch, from, state.hot, held, is_over and 1 or 0}
end)

-- Drops the oldest segments while more than `keep` bytes are held; answers them.
local function channel_over(prefix, channel, state, keep)
  local index, dropped = prefix .. 'cs:' .. channel, {}
  while state.cold > 0 and state.cold + state.hot > keep do
    local segment = call('ZPOPMIN', index)[1]
    if not segment then
      break
    end
    local last, bytes = string.match(segment, '%-(%d+)/(%d+)$')
    state.first, state.cold = tonumber(last) + 1, state.cold - tonumber(bytes)
    dropped[#dropped + 1] = segment
  end
  return dropped
end

-- args: time, channel, epoch, first, last, bytes, bytes to keep in all, 1 if a segment holds them
-- or 0 if they are dropped. The log is trimmed only here, after the segment is in the index.
-- Answers 1, or 0 if another call was first, or 2 if that committed the same segment; then the
-- segments no longer kept.
register('channel_spill', function(keys, args)
  local prefix, channel, epoch = keys[1], args[2], args[3]
  local first, last, bytes = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  local name = epoch .. '/' .. args[4] .. '-' .. args[5] .. '/' .. args[6]
  local state = channel_state(prefix, channel)
  local oldest = state and math.max(state.spilled + 1, state.first)
  if not state or state.epoch ~= epoch or first ~= oldest or last > state.top then
    return {call('ZSCORE', prefix .. 'cs:' .. channel, name) and 2 or 0, {}}
  end
  local dropped = {}
  state.hot, state.spilled = state.hot - bytes, last
  if args[8] == '1' then
    call('ZADD', prefix .. 'cs:' .. channel, last, name)
    state.cold = state.cold + bytes
    dropped = channel_over(prefix, channel, state, tonumber(args[7]))
  else
    state.first = last + 1
  end
  call('XTRIM', prefix .. 'c:' .. channel, 'MINID', (last + 1) .. '-0')
  call('HSET', prefix .. 'cm:' .. channel, 's', last, 'f', state.first, 'hb', state.hot,
    'sb', state.cold)
  return {1, dropped}
end)

local function channel_end(prefix, channel)
  if call('HGET', prefix .. 'cm:' .. channel, 'o') then
    call('SADD', prefix .. 'cg', channel)
  end
  for _, kind in ipairs({'c:', 'cm:', 'cs:', 'ck:', 'cv:'}) do
    call('UNLINK', prefix .. kind .. channel)
  end
  call('HINCRBY', prefix .. 'cl', channel_bucket(channel), 1)
  call('ZREM', prefix .. 'cx', channel)
end

-- args: time, limit. Ends channels whose ttl has passed; answers how many, and the ended ones
-- whose objects are still there.
register('channel_sweep', function(keys, args)
  local prefix, now, ended = keys[1], time_ms(args[1]), 0
  local due = call('ZRANGEBYSCORE', prefix .. 'cx', '-inf', now, 'LIMIT', 0, args[2])
  for _, channel in ipairs(due) do
    local meta = call('HMGET', prefix .. 'cm:' .. channel, 'at', 'tl')
    local ends = (tonumber(meta[1]) or 0) + (tonumber(meta[2]) or 0)
    if ends <= now then
      channel_end(prefix, channel)
      ended = ended + 1
    else
      call('ZADD', prefix .. 'cx', ends, channel)
    end
  end
  return {ended, call('SRANDMEMBER', prefix .. 'cg', 16)}
end)

register('channel_collected', function(keys, args)
  return call('SREM', keys[1] .. 'cg', args[2])
end)
