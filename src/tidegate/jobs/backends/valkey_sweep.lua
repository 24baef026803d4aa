-- The sweep: what time does to jobs, where no worker does it.

-- A lease that lapsed: its worker is gone, or as good as gone.
local function crashed(prefix, id, now)
  local job = load(prefix, id)
  if not job or job.state ~= 'running' then
    return
  end
  return crash(prefix, job, 'worker ' .. job.lease.worker .. ' stopped renewing its lease', now)
end

local function sweep_leases(prefix, queue, limit, now)
  local running, quarantined = prefix .. 'running:' .. queue, 0
  local lapsed = call('ZRANGEBYSCORE', running, '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(lapsed) do
    call('ZREM', running, id)
    if crashed(prefix, id, now) == 'quarantined' then
      quarantined = quarantined + 1
    end
  end
  if #lapsed > 0 then
    wake_bounded(prefix, {[queue] = true})
  end
  return #lapsed, quarantined
end

local function sweep_deadlines(prefix, queue, limit, now)
  local deadlines, expired = prefix .. 'start-by:' .. queue, 0
  local past = call('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(past) do
    call('ZREM', deadlines, id)
    local job = load(prefix, id)
    -- One that runs has started in time; if it comes back, the claim looks again.
    if job and WAITING[job.state] and job.fence == 0 then
      withdraw(prefix, job)
      finish(prefix, job, 'expired', 'not started in time', now)
      expired = expired + 1
    end
  end
  return expired
end

local function sweep_records(prefix, queue, limit, now)
  local ended = prefix .. 'ended:' .. queue
  local past = call('ZRANGEBYSCORE', ended, '-inf', now, 'LIMIT', 0, limit)
  if #past == 0 then
    return 0
  end
  local records = {}
  for i, id in ipairs(past) do
    records[i] = prefix .. 'j:' .. id
  end
  call('UNLINK', unpack(records))
  for _, index in ipairs({'all:', 'dead:', 'quarantined:', 'ended:'}) do
    call('ZREM', prefix .. index .. queue, unpack(past))
  end
  return #past
end

local function sweep_dedupe(prefix, queue, limit, now)
  local windows, known = prefix .. 'dedupe-until:' .. queue, prefix .. 'dedupe:' .. queue
  local past = call('ZRANGEBYSCORE', windows, '-inf', now, 'LIMIT', 0, limit)
  for _, dedupe in ipairs(past) do
    local ends = tonumber(string.match(call('HGET', known, dedupe) or '', '^%d+'))
    if ends and ends > 0 and ends <= now then
      call('HDEL', known, dedupe)
    end
  end
  if #past > 0 then
    call('ZREM', windows, unpack(past))
  end
  return #past
end

-- A worker whose word has lapsed owns nothing any more; one long silent is forgotten.
local function sweep_workers(prefix, lease, limit, now)
  local silent = call('ZRANGEBYSCORE', prefix .. 'workers', '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #silent, 2 do
    free_affinities(prefix, silent[i])
    if tonumber(silent[i + 1]) + 2 * lease <= now then
      forget_worker(prefix, silent[i])
    end
  end
end

local function next_of(prefix, sets, queue)
  local soonest = math.huge
  for _, set in ipairs(sets) do
    local head = call('ZRANGE', prefix .. set .. queue, 0, 0, 'WITHSCORES')[2]
    soonest = math.min(soonest, tonumber(head) or math.huge)
  end
  return soonest
end

-- args: time, queue, limit, ms after which a sweep that comes late judges no lease (0: it always
-- does). Answers promoted, lapsed, expired, quarantined, pruned, ms to the next (-1: none).
register('sweep', function(keys, args)
  local prefix, now, queue = keys[1], time_ms(args[1]), args[2]
  local limit, patience = math.min(tonumber(args[3]), CHUNK), tonumber(args[4])
  local settings = settings_of(prefix, queue)
  local swept = tonumber(call('HGET', prefix .. 'q:' .. queue, 'swept') or 0)
  call('HSET', prefix .. 'q:' .. queue, 'swept', now)
  local lapsed, quarantined = 0, 0
  if patience == 0 or now - swept <= patience then
    lapsed, quarantined = sweep_leases(prefix, queue, limit, now)
    sweep_workers(prefix, settings.lease, limit, now)
  end
  local promoted = promote(prefix, queue, limit, now)
  local expired = sweep_deadlines(prefix, queue, limit, now)
  local pruned = sweep_records(prefix, queue, limit, now) + sweep_dedupe(prefix, queue, limit, now)
  if not settings.paused and waiting(prefix, queue, settings.lanes) > 0 then
    wake_queue(prefix, queue) -- whoever took the last marker may have died before it claimed
  end
  local soonest = next_of(prefix, {'due:', 'running:', 'start-by:', 'ended:'}, queue)
  soonest = soonest < math.huge and math.max(0, math.ceil(soonest - now)) or -1
  return {promoted, lapsed, expired, quarantined, pruned, soonest}
end, WHEN_FULL)
