-- What people and the orchestrator see.

local function rate_of(ring, what, now)
  local second, total = math.floor(now / 1000), 0
  for place = 0, 63 do
    local at = tonumber(ring['at' .. place] or 0)
    if at > second - 60 and at <= second then
      total = total + tonumber(ring[what .. place] or 0)
    end
  end
  return tostring(total / 60)
end

local function oldest_ms(prefix, queue, lanes, now)
  local oldest = now
  for lane = 0, lanes - 1 do
    local head = call('ZRANGE', prefix .. 'ready:' .. queue .. ':' .. lane, 0, 0, 'WITHSCORES')[2]
    oldest = math.min(oldest, math.floor(tonumber(head) or now))
  end
  return now - oldest
end

-- args: time, queue. In the order of `QueueStats`.
register('stats', function(keys, args)
  local prefix, now, queue = keys[1], time_ms(args[1]), args[2]
  local settings = settings_of(prefix, queue)
  local totals = call('HMGET', prefix .. 'q:' .. queue, 'enqueued', 'succeeded', 'failed')
  local ring = as_table(call('HGETALL', prefix .. 'persecond:' .. queue))
  local function size(set)
    return call('ZCARD', prefix .. set .. ':' .. queue)
  end
  return {
    waiting(prefix, queue, settings.lanes), size('running'), size('due'), size('pending'),
    size('bound'), size('dead'), size('quarantined'), settings.paused and 1 or 0,
    oldest_ms(prefix, queue, settings.lanes, now),
    tonumber(totals[1] or 0), tonumber(totals[2] or 0), tonumber(totals[3] or 0),
    rate_of(ring, 'enqueued', now), rate_of(ring, 'finished', now),
  }
end, READS)

register('workers', function(keys, args)
  local prefix, now, reports = keys[1], time_ms(args[1]), {}
  for _, told in ipairs(call('HVALS', prefix .. 'reports')) do
    local ends, report = string.match(told, '^(%d+) (.*)$')
    if tonumber(ends) > now then
      reports[#reports + 1] = report
    end
  end
  return reports
end, READS)

-- A record and the lease, if it runs, as one flat list; empty where there is no record.
local function shown(prefix, id)
  local record = call('HGETALL', prefix .. 'j:' .. id)
  local lease = #record > 0 and call('HGET', prefix .. 'leases', id)
  if lease then
    record[#record + 1], record[#record + 2] = 'lease', lease
  end
  return record
end

register('show', function(keys, args)
  return shown(keys[1], args[2])
end, READS)

local SETS_OF = {
  pending = {'pending:'}, scheduled = {'due:'}, running = {'running:'}, dead = {'dead:'},
  quarantined = {'quarantined:'},
}

-- The sets to page through for a state, and whether their members have to be looked at.
local function sets_to_browse(prefix, queue, state)
  if state == 'ready' then
    local sets = {prefix .. 'bound:' .. queue}
    for lane = 0, settings_of(prefix, queue).lanes - 1 do
      sets[#sets + 1] = prefix .. 'ready:' .. queue .. ':' .. lane
    end
    return sets, false
  end
  local set = SETS_OF[state]
  return {prefix .. (set and set[1] or 'all:') .. queue}, state ~= '' and not set
end

-- args: time, queue, state or '', cursor '<set>:<score>:<job>' or '', limit.
-- Answers the next cursor or '', then job and record in turn.
register('browse', function(keys, args)
  local prefix, queue, state, limit = keys[1], args[2], args[3], tonumber(args[5])
  local sets, look = sets_to_browse(prefix, queue, state)
  local at, score, last = string.match(args[4], '^(%d+):([^:]+):(.*)$')
  at, score = tonumber(at or 1), score or '+inf'
  local found, seen, skip = {}, 0, 0
  while at <= #sets and #found < 2 * limit and seen < CHUNK do
    local page = call('ZRANGE', sets[at], score, '-inf', 'BYSCORE', 'REV', 'LIMIT', skip, 100,
      'WITHSCORES')
    for i = 1, #page, 2 do
      local id, place = page[i], page[i + 1]
      -- Members of one score come in descending order; up to `last` they were answered before.
      if not (last and place == score and id >= last) and #found < 2 * limit then
        local record = shown(prefix, id)
        seen = seen + 1
        if #record > 0 and (not look or as_table(record).s == state) then
          found[#found + 1], found[#found + 2] = id, record
        end
        score, last, skip = place, id, 0
      else
        skip = skip + 1
      end
    end
    if #page == 0 then
      at, score, last, skip = at + 1, '+inf', nil, 0
    end
  end
  local cursor = at <= #sets and (at .. ':' .. score .. ':' .. (last or '')) or ''
  return {cursor, found}
end, READS)
