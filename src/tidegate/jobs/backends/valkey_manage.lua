-- Everything that is neither enqueue nor exchange: leases, sweeping, cancelling, looking.

register('declare', function(keys, args)
  for i = 2, #args, 8 do
    local name = keys[1] .. 'q:' .. args[i]
    -- Lanes never go away: jobs of one that is no longer declared are still claimed.
    local lanes = math.max(tonumber(args[i + 1]), tonumber(call('HGET', name, 'lanes') or 0))
    call('HSET', name, 'lanes', lanes, 'lease', args[i + 2], 'ageing', args[i + 3], 'max_depth',
      args[i + 4], 'concurrency', args[i + 5], 'rate', args[i + 6], 'burst', args[i + 7])
  end
  return #args
end)

local function merge_metrics(prefix, text)
  for metric, buckets in pairs(cjson.decode(text)) do
    for bucket, increment in pairs(buckets) do
      call('HINCRBYFLOAT', prefix .. 'metrics', metric .. '\t' .. bucket, increment)
    end
  end
end

-- Renews what of args[first...] (job and fence in turn) is still held; answers a letter for each.
local function renew_leases(prefix, args, first, asked, lease_of, now)
  local batch, verdicts = new_batch(), {}
  for i = first, #args, 2 do
    local id, verdict = args[i], 'l'
    local lease = parsed(call('HGET', prefix .. 'leases', id))
    if lease and lease.fence == tonumber(args[i + 1]) and lease.ends > now then
      local ends = digits(now + lease_of(lease.queue))
      batch_two(batch, 'HSET', prefix .. 'leases', id,
        (string.gsub(lease.text, '^(%d+) %d+ ', '%1 ' .. ends .. ' ')))
      batch_two(batch, 'ZADD', prefix .. 'running:' .. lease.queue, ends, id)
      verdict = asked[id] and 'c' or 'o'
    end
    verdicts[#verdicts + 1] = verdict
  end
  flush(batch)
  return table.concat(verdicts)
end

-- args: time, worker, report, metrics, how many queues, the queues, then job and fence in turn.
-- Answers a letter per job, then job and reason of each that is asked to cancel.
register('renew', function(keys, args)
  local prefix, now, worker, queues = keys[1], time_ms(args[1]), args[2], tonumber(args[5])
  local leases, longest = {}, 0
  local function lease_of(queue)
    leases[queue] = leases[queue] or settings_of(prefix, queue).lease
    longest = math.max(longest, leases[queue])
    return leases[queue]
  end
  for i = 6, 5 + queues do
    lease_of(args[i])
  end
  local cancels = cancels_of(prefix, worker)
  local verdicts = renew_leases(prefix, args, 6 + queues, as_table(cancels), lease_of, now)
  extend_word(prefix, worker, longest, now)
  call('HSET', prefix .. 'reports', worker, (now + 3 * longest) .. ' ' .. args[3])
  if args[4] ~= '' then
    merge_metrics(prefix, args[4])
  end
  return {verdicts, cancels}
end)

local function free_affinities(prefix, worker)
  for _, pair in ipairs(call('SMEMBERS', prefix .. 'affinities:' .. worker)) do
    local queue, affinity = string.match(pair, '^(%S+) (.*)$')
    free_affinity(prefix, queue, affinity)
  end
end

local function forget_worker(prefix, worker)
  free_affinities(prefix, worker)
  call('ZREM', prefix .. 'workers', worker)
  call('HDEL', prefix .. 'reports', worker)
  call('DEL', prefix .. 'wake:w:' .. worker, prefix .. 'cancels:' .. worker)
end

register('leave', function(keys, args)
  forget_worker(keys[1], args[2])
  return 1
end)

-- Refused while a job of it runs: one may have been claimed since the owner looked.
register('release_affinity', function(keys, args)
  local worker, epoch = owner_of(keys[1], args[3], args[4])
  local running = call('HGET', keys[1] .. 'owner:' .. args[3] .. ':' .. args[4], 'n')
  if worker ~= args[2] or epoch ~= tonumber(args[5]) or running ~= '0' then
    return 0
  end
  free_affinity(keys[1], args[3], args[4])
  return 1
end)

register('owns_affinity', function(keys, args)
  local _, epoch = live_owner(keys[1], args[2], args[3], time_ms(args[1]))
  return epoch == tonumber(args[4]) and 1 or 0
end)

-- args: time, job, fence, field, value.
register('write', function(keys, args)
  if not fence_holds(keys[1], args[2], args[3], time_ms(args[1])) then
    return 0
  end
  call('HSET', keys[1] .. 'j:' .. args[2], args[4], args[5])
  return 1
end)

-- The outcome of a step that stands: the first one remembered, whichever attempt it was.
register('remember', function(keys, args)
  if not fence_holds(keys[1], args[2], args[3], time_ms(args[1])) then
    return false
  end
  local record, step = keys[1] .. 'j:' .. args[2], 'm:' .. args[4]
  call('HSETNX', record, step, args[5])
  return call('HGET', record, step)
end)

register('holds', function(keys, args)
  return fence_holds(keys[1], args[2], args[3], time_ms(args[1])) and 1 or 0
end)

local WAITING = {pending = true, scheduled = true, ready = true}

-- Answers the state before and after; nothing where there is no such job.
register('cancel', function(keys, args)
  local prefix, now, reason = keys[1], time_ms(args[1]), args[3]
  local job = load(prefix, args[2])
  if not job then
    return {}
  end
  if WAITING[job.state] then
    withdraw(prefix, job)
    finish(prefix, job, 'cancelled', reason, now)
    return {job.state, 'cancelled'}
  end
  if job.state == 'running' then
    call('HSET', prefix .. 'j:' .. job.id, 'cx', reason)
    call('HSET', prefix .. 'cancels:' .. job.lease.worker, job.id, reason)
    wake_worker(prefix, job.lease.worker)
  end
  return {job.state, job.state}
end)

local REDRIVABLE = {dead = true, quarantined = true, cancelled = true, expired = true}

local function redrive(prefix, id, now)
  local job = load(prefix, id)
  if not job or not REDRIVABLE[job.state] then
    return 0
  end
  local options, queue, record = job.options, job.queue, prefix .. 'j:' .. id
  if options.dedupe and duplicate_of(prefix, queue, id, options, now) then
    return 0
  end
  if KEPT_APART[job.state] then
    call('ZREM', prefix .. job.state .. ':' .. queue, id)
  end
  call('ZREM', prefix .. 'ended:' .. queue, id)
  call('HDEL', record, 'a', 'c', 'fi', 're', 'cx', 'du', 'hd', 'ls')
  call('HSET', record, 'fb', job.fence)
  job.due = nil
  if options ~= NO_OPTIONS then
    options.start, options.due = nil, nil
    call('HSET', record, 'o', cjson.encode(options))
  end
  if place(prefix, job, next_score(prefix, queue, 1, now), now) then
    wake_queue(prefix, queue)
  end
  return 1
end

register('redrive', function(keys, args)
  local now, count_redriven = time_ms(args[1]), 0
  for i = 2, #args do
    count_redriven = count_redriven + redrive(keys[1], args[i], now)
  end
  return count_redriven
end)

register('pause', function(keys, args)
  call('HSET', keys[1] .. 'q:' .. args[2], 'paused', args[3])
  if args[3] == '0' then
    wake_queue(keys[1], args[2])
  end
  return 1
end)

-- The sweep.

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
end)

-- Looking.

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
end)

register('workers', function(keys, args)
  local prefix, now, reports = keys[1], time_ms(args[1]), {}
  for _, told in ipairs(call('HVALS', prefix .. 'reports')) do
    local ends, report = string.match(told, '^(%d+) (.*)$')
    if tonumber(ends) > now then
      reports[#reports + 1] = report
    end
  end
  return reports
end)

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
end)

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
end)
