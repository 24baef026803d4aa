-- Exchange: settle attempts and claim jobs, one call for a whole batch of each.

-- Settlements. One is five arguments: verb, job, fence, body, end event. Each takes the call's
-- `tally`: the batch of set commands, and by queue what ended well.

local function retry(prefix, job, delay, now)
  call('HSET', prefix .. 'j:' .. job.id, 'a', job.attempt + 1)
  return_at(prefix, job, now + delay, now)
end

local settle = {}

-- verb 'F' or 'F<ms to the retry>'; body: the error.
function settle.F(prefix, job, detail, body, given, now)
  call('HSET', prefix .. 'j:' .. job.id, 'er', with_error(job.errors, body))
  stop_running(prefix, job)
  if job.cancel then
    finish(prefix, job, 'cancelled', job.cancel, now)
  elseif detail ~= '' then
    retry(prefix, job, tonumber(detail), now)
  else
    call('HSET', prefix .. 'j:' .. job.id, 'a', job.attempt + 1)
    finish(prefix, job, 'dead', 'failed', now, given)
  end
end

-- verb 'R<ms of delay>'; body: the reason.
function settle.R(prefix, job, detail, body, _, now)
  stop_running(prefix, job)
  if job.cancel then
    return finish(prefix, job, 'cancelled', job.cancel, now)
  end
  call('HSET', prefix .. 'j:' .. job.id, 're', body)
  job.due = now + tonumber(detail)
  if job.due > now then
    call('HSET', prefix .. 'j:' .. job.id, 'hd', '1')
  end
  if admit(prefix, job, job.enqueued, now) then
    wake_queue(prefix, job.queue)
  end
end

-- verb 'X'; body: the reason.
function settle.X(prefix, job, _, body, given, now)
  stop_running(prefix, job)
  finish(prefix, job, 'cancelled', body, now, given)
end

-- verb 'C'; body: the result. The one that must be fast: one read, one write, shared set commands.
local function complete(prefix, record, id, queue, policy, options, result, given, now, tally)
  local call = redis.call
  if result == '' then
    call('HSET', record, 's', 'succeeded', 'fi', now)
  else
    call('HSET', record, 's', 'succeeded', 'fi', now, 'rs', result)
  end
  batch_remove(tally.batch, prefix .. 'running:' .. queue, id)
  batch_add(tally.batch, prefix .. 'ended:' .. queue, now + policy.keep * 1000, id)
  tally.succeeded[queue] = (tally.succeeded[queue] or 0) + 1
  local channel
  if options then
    options = cjson.decode(options)
    channel = options.channel
    if options.affinity then
      affinity_stopped(prefix, queue, options.affinity, call('HGET', record, 'ae'))
    end
    let_go(prefix, queue, id, options, now)
  end
  publish_end(prefix, id, channel, given, policy, 'succeeded', nil, now)
end

local function settle_one(prefix, verb, id, fence, body, given, now, tally)
  local record = prefix .. 'j:' .. id
  local v = redis.call('HMGET', record, 's', 'f', 'lu', 'q', 'po', 'o', 'cx')
  if v[1] ~= 'running' or v[2] ~= fence or tonumber(v[3]) <= now then
    return '0'
  end
  if verb == 'C' then
    if v[7] then
      redis.call('HDEL', prefix .. 'cancels:' .. redis.call('HGET', record, 'w'), id)
    end
    complete(prefix, record, id, v[4], policy_of(v[5]), v[6], body, given, now, tally)
  else
    local job = load(prefix, id)
    settle[string.sub(verb, 1, 1)](prefix, job, string.sub(verb, 2), body, given, now)
    tally.touched[job.queue] = true
  end
  return '1'
end

-- A place has become free in queues that bound how many run: whoever waits may come.
local function wake_bounded(prefix, queues)
  for queue in pairs(queues) do
    local settings = settings_of(prefix, queue)
    if settings.concurrency > 0 and waiting(prefix, queue, settings.lanes) > 0 then
      call('ZADD', prefix .. 'wake:q:' .. queue, 0, '1')
    end
  end
end

-- Settles args[first...]; answers a string of 1 (accepted) and 0 (refused).
local function settle_all(prefix, args, first, now)
  if #args < first then
    return ''
  end
  local tally = {batch = new_batch(), succeeded = {}, touched = {}}
  local accepted = {}
  for i = first, #args, 5 do
    accepted[#accepted + 1] = settle_one(prefix, args[i], args[i + 1], args[i + 2], args[i + 3],
      args[i + 4], now, tally)
  end
  flush(tally.batch)
  for queue, jobs in pairs(tally.succeeded) do
    count(prefix, queue, 'succeeded', jobs, now)
    tally.touched[queue] = true
  end
  wake_bounded(prefix, tally.touched)
  return table.concat(accepted)
end

-- Due jobs become ready. Workers do it as they claim, the sweep does it where none does.
local function promote(prefix, queue, limit, now)
  local due = prefix .. 'due:' .. queue
  local ids = call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit)
  if #ids == 0 then
    return 0
  end
  call('ZREM', due, unpack(ids))
  local ready = false
  for _, id in ipairs(ids) do
    local job = load(prefix, id)
    if job then
      call('HDEL', prefix .. 'j:' .. id, 'hd')
      ready = admit(prefix, job, job.at_head and job.enqueued or job.due, now) or ready
    end
  end
  if ready then
    wake_queue(prefix, queue)
  end
  return #ids
end

-- How many jobs of a queue may start now: within its concurrency and, by GCRA, its rate.
-- Where the rate says none, the second answer is the time of the next start.
local function room(prefix, queue, settings, limit, now)
  if settings.paused then
    return 0
  end
  if settings.concurrency > 0 then
    limit = math.min(limit, settings.concurrency - call('ZCARD', prefix .. 'running:' .. queue))
  end
  if settings.rate > 0 then
    local interval, tat = 1000 / settings.rate, math.max(settings.tat, now)
    local starts = math.floor(settings.burst - (tat - now) / interval + 1e-9)
    if starts < 1 then
      return 0, tat + interval * (1 - settings.burst)
    end
    limit = math.min(limit, starts)
  end
  return math.max(0, limit)
end

-- Counts what was started against the rate; answers the time of the next start.
local function charge(prefix, queue, settings, started, now)
  if settings.rate <= 0 or started == 0 then
    return 0
  end
  local interval = 1000 / settings.rate
  local tat = math.max(settings.tat, now) + started * interval
  call('HSET', prefix .. 'q:' .. queue, 'tat', tat)
  return tat + interval * (1 - settings.burst)
end

-- A claim as the worker reads it: eight elements; the last is what most jobs do not have.
local CLAIM = 8

-- Starts one job popped from a queue; answers whether it was claimed. It is not where its deadline
-- to start has passed, or where another worker owns its affinity and it now waits for that one.
local function start(prefix, take, id, ready_at, lane)
  local call = redis.call
  local record, queue, now = prefix .. 'j:' .. id, take.queue, take.now
  local v = call('HMGET', record, 'f', 'e', 't', 'po', 'o', 'a', 'c', 'cp', 'fb')
  if not v[2] then
    return false
  end
  local options, epoch
  if v[5] then
    options = cjson.decode(v[5])
    if options.start and tonumber(v[3]) + options.start <= now then
      finish(prefix, load(prefix, id), 'expired', 'not started in time', now)
      return false
    end
    if options.affinity then
      local owner
      epoch, owner = own_affinity(prefix, queue, options.affinity, take.worker, now)
      if not epoch then
        bind(prefix, queue, options.affinity, owner, ready_at, id)
        return false
      end
      call('HINCRBY', prefix .. 'owner:' .. queue .. ':' .. options.affinity, 'n', 1)
      call('HSET', record, 'ae', epoch)
    end
  end
  local fence, lease_until = tonumber(v[1] or 0) + 1, now + take.lease
  call('HSET', record, 's', 'running', 'f', fence, 'lu', lease_until, 'w', take.worker, 'st', now,
    'rt', ready_at)
  local claims, running = take.claims, take.running
  local n, r = #claims, #running
  running[r + 1], running[r + 2] = lease_until, id
  claims[n + 1], claims[n + 2], claims[n + 3] = id, v[2], v[4]
  claims[n + 4], claims[n + 5] = take.index * 256 + lane, fence
  claims[n + 6], claims[n + 7] = tonumber(v[3]), tonumber(ready_at)
  claims[n + 8] = (v[5] or v[6] or v[7] or v[8] or v[9])
    and {v[5], v[6], v[7], v[8], v[9], epoch or 0} or false
  return true
end

-- Claims from one sorted set until `limit` jobs of it are started or it is empty. What is diverted
-- on the way is bounded too, so that no call grows without end.
local function drain_set(prefix, take, set, lane, limit)
  local started, tried = 0, 0
  while started < limit and tried < limit + CHUNK do
    local popped = call('ZPOPMIN', set, limit - started)
    if #popped == 0 then
      break
    end
    tried = tried + #popped / 2
    for i = 1, #popped, 2 do
      if start(prefix, take, popped[i], popped[i + 1], lane) then
        started = started + 1
      end
    end
  end
  return started
end

-- Jobs that wait for this worker come first.
local function claim_bound(prefix, take, limit)
  local mine = prefix .. 'bound-worker:' .. take.queue .. ':' .. take.worker
  local started = 0
  while started < limit do
    local id = call('ZRANGE', mine, 0, 0, 'WITHSCORES')
    if not id[1] then
      break
    end
    local job = load(prefix, id[1])
    call('ZREM', mine, id[1])
    if job and unbind(prefix, take.queue, job.options.affinity, id[1])
      and start(prefix, take, id[1], id[2], tonumber(job.lane)) then
      started = started + 1
    end
  end
  return started
end

-- The heads of all lanes, ordered by when each became ready plus what its priority costs it: waiting
-- `ageing` lifts a job by one lane. Without ageing a lower lane waits for ever.
local NEVER = 1e14

local function lanes_of(prefix, takes)
  local lanes = {}
  for _, take in ipairs(takes) do
    local ageing = take.settings.ageing > 0 and take.settings.ageing or NEVER
    for lane = 0, take.room > 0 and take.settings.lanes - 1 or -1 do
      local set = prefix .. 'ready:' .. take.queue .. ':' .. lane
      local head = call('ZRANGE', set, 0, 0, 'WITHSCORES')
      if head[1] then
        lanes[#lanes + 1] = {take = take, lane = lane, set = set, cost = lane * ageing,
          rank = tonumber(head[2]) + lane * ageing}
      end
    end
  end
  return lanes
end

-- How many of the first lane's jobs come before the head of any other.
local function ahead(lanes, best, limit)
  local bound = math.huge
  for _, lane in ipairs(lanes) do
    if lane ~= best then
      bound = math.min(bound, lane.rank)
    end
  end
  if bound == math.huge then
    return limit
  end
  local upto = string.format('%.17g', bound - best.cost)
  return math.max(1, math.min(limit, call('ZCOUNT', best.set, '-inf', upto)))
end

local function claim_ready(prefix, takes, limit)
  local started = 0
  while started < limit do
    local lanes = lanes_of(prefix, takes)
    local best = lanes[1]
    if not best then
      break
    end
    for _, lane in ipairs(lanes) do
      if lane.rank < best.rank then
        best = lane
      end
    end
    local take = best.take
    local wanted = ahead(lanes, best, math.min(limit - started, take.room))
    local got = drain_set(prefix, take, best.set, best.lane, wanted)
    take.room, take.started, started = take.room - got, take.started + got, started + got
    if #lanes == 1 then
      break
    end
  end
  return started
end

-- Affinities this worker should give up: it has no room, jobs wait for it, and none of them runs.
local function wanted_of(prefix, worker, takes)
  local wanted, waits = {}, false
  for _, take in ipairs(takes) do
    waits = waits or call('EXISTS', prefix .. 'bound-worker:' .. take.queue .. ':' .. worker) == 1
  end
  if not waits then
    return wanted
  end
  for _, pair in ipairs(call('SMEMBERS', prefix .. 'affinities:' .. worker)) do
    local queue, affinity = string.match(pair, '^(%S+) (.*)$')
    if call('EXISTS', prefix .. 'bound-affinity:' .. queue .. ':' .. affinity) == 1 then
      local owner = call('HMGET', prefix .. 'owner:' .. queue .. ':' .. affinity, 'e', 'n')
      if owner[2] == '0' then
        wanted[#wanted + 1] = {queue, affinity, tonumber(owner[1])}
      end
    end
  end
  return wanted
end

local function extend_word(prefix, worker, lease, now)
  call('ZADD', prefix .. 'workers', 'GT', now + lease, worker)
end

-- args: time, worker, limit, how many queues, the queues, the settlements.
-- Answers which settlements were accepted, claims, ms to the next due job (-1: none), affinities
-- wanted back, jobs asked to cancel with reasons.
register('exchange', function(keys, args)
  local prefix, now, worker, limit = keys[1], time_ms(args[1]), args[2], tonumber(args[3])
  local queues = tonumber(args[4])
  local accepted = settle_all(prefix, args, 5 + queues, now)

  local claims, takes, lease, next_due, started = {}, {}, 0, math.huge, 0
  for index = 1, queues do
    local queue = args[4 + index]
    promote(prefix, queue, CHUNK, now)
    local settings = settings_of(prefix, queue)
    local free, next_start = room(prefix, queue, settings, limit, now)
    takes[index] = {queue = queue, index = index - 1, settings = settings, lease = settings.lease,
      room = free, started = 0, worker = worker, now = now, claims = claims, running = {}}
    lease = math.max(lease, settings.lease)
    local due = call('ZRANGE', prefix .. 'due:' .. queue, 0, 0, 'WITHSCORES')[2]
    next_due = math.min(next_due, tonumber(due) or math.huge, next_start or math.huge)
  end
  if queues > 0 then
    extend_word(prefix, worker, lease, now)
  end

  if limit > 0 then
    for _, take in ipairs(takes) do
      take.started = claim_bound(prefix, take, math.min(take.room, limit - started))
      take.room, started = take.room - take.started, started + take.started
    end
    started = started + claim_ready(prefix, takes, limit - started)
  end
  for _, take in ipairs(takes) do
    call_in_chunks('ZADD', prefix .. 'running:' .. take.queue, take.running)
    local next_start = charge(prefix, take.queue, take.settings, take.started, now)
    if next_start > now then
      next_due = math.min(next_due, next_start)
    end
    -- What is left is for the next worker, unless nobody may start it yet.
    if (take.room > 0 or limit == started) and not take.settings.paused
      and waiting(prefix, take.queue, take.settings.lanes) > 0 then
      call('ZADD', prefix .. 'wake:q:' .. take.queue, 0, '1')
    end
  end

  local wanted = {}
  if queues > 0 and started == limit then
    wanted = wanted_of(prefix, worker, takes)
  end
  next_due = next_due < math.huge and math.max(0, math.ceil(next_due - now)) or -1
  return {accepted, claims, next_due, wanted, call('HGETALL', prefix .. 'cancels:' .. worker)}
end)
