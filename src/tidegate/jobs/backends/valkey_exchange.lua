-- Exchange: settle attempts and claim jobs, one call for a whole batch of each.

local function take_from(prefix, queue, index, worker, limit, now, claims)
  local settings = settings_of(prefix, queue)
  local free, next_start = room(prefix, queue, settings, limit, now)
  return {
    queue = queue, index = index, settings = settings, room = free, started = 0, worker = worker,
    now = now, claims = claims, running = {}, leases = {}, ends = {}, ends_with_options = {},
    lease_until = digits(now + settings.lease), next_start = next_start or 0,
  }
end

-- What one queue's claims have in common is written at once.
local function give(prefix, take, full)
  call_in_chunks('ZADD', prefix .. 'running:' .. take.queue, take.running)
  call_in_chunks('HSET', prefix .. 'leases', take.leases)
  take.next_start = math.max(take.next_start,
    charge(prefix, take.queue, take.settings, take.started, take.now))
  -- What is left is for the next worker, unless nobody may start it yet.
  if (take.room > 0 or full) and not take.settings.paused
    and waiting(prefix, take.queue, take.settings.lanes) > 0 then
    call('ZADD', prefix .. 'wake:q:' .. take.queue, 0, '1')
  end
end

-- The next time at which there is something to claim although nobody enqueues.
local function next_time(prefix, takes, now)
  local soonest = math.huge
  for _, take in ipairs(takes) do
    local due = call('ZRANGE', prefix .. 'due:' .. take.queue, 0, 0, 'WITHSCORES')[2]
    soonest = math.min(soonest, tonumber(due) or math.huge)
    if take.next_start > now then
      soonest = math.min(soonest, take.next_start)
    end
  end
  return soonest < math.huge and math.max(0, math.ceil(soonest - now)) or -1
end

local function claim(prefix, takes, limit)
  local started = 0
  for _, take in ipairs(takes) do
    take.started = claim_bound(prefix, take, math.min(take.room, limit - started))
    take.room, started = take.room - take.started, started + take.started
  end
  return started + claim_ready(prefix, takes, limit - started)
end

-- args: time, worker, limit, how many queues, the queues, the settlements.
-- Answers which settlements were accepted, claims, ms to the next due job (-1: none), affinities
-- wanted back, jobs asked to cancel with reasons.
register('exchange', function(keys, args)
  local prefix, now, worker = keys[1], time_ms(args[1]), args[2]
  local limit = math.min(tonumber(args[3]), CHUNK)
  local queues, claims, takes, lease = tonumber(args[4]), {}, {}, 0
  local accepted = settle_all(prefix, args, 5 + queues, now)
  if queues == 0 then
    return {accepted, claims, -1, {}, cancels_of(prefix, worker)}
  end
  for i = 1, queues do
    promote(prefix, args[4 + i], CHUNK, now)
    takes[i] = take_from(prefix, args[4 + i], i - 1, worker, limit, now, claims)
    lease = math.max(lease, takes[i].settings.lease)
  end
  extend_word(prefix, worker, lease, now)
  local started = claim(prefix, takes, limit)
  for _, take in ipairs(takes) do
    give(prefix, take, started == limit)
  end
  local wanted = started == limit and wanted_of(prefix, worker, takes) or {}
  return {accepted, claims, next_time(prefix, takes, now), wanted, cancels_of(prefix, worker)}
end, WHEN_FULL)
