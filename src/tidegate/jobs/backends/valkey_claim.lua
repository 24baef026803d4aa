-- Claiming: which jobs a worker gets, and in what order.

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

-- The affinity of a job that starts: its epoch, or nothing where another worker owns it and the job
-- now waits for that one.
local function enter_affinity(prefix, take, id, affinity, ready_at)
  local epoch, owner = own_affinity(prefix, take.queue, affinity, take.worker, take.now)
  if not epoch then
    bind(prefix, take.queue, affinity, owner, ready_at, id)
    return nil
  end
  call('HINCRBY', prefix .. 'owner:' .. take.queue .. ':' .. affinity, 'n', 1)
  call('HSET', prefix .. 'j:' .. id, 'ae', epoch)
  return epoch
end

-- What most jobs do not have: options, failures, crashes, checkpoint, fence at the last redrive,
-- epoch of the affinity. Nothing where the job is not to start.
local function rarities(prefix, take, id, ready_at, enqueued, options, fence)
  local told, epoch = options_of(options), 0
  if told.start and not fence and tonumber(enqueued) + told.start <= take.now then
    finish(prefix, load(prefix, id), 'expired', 'not started in time', take.now)
    return nil
  end
  if told.affinity then
    epoch = enter_affinity(prefix, take, id, told.affinity, ready_at)
    if not epoch then
      return nil
    end
  end
  local v = fence and call('HMGET', prefix .. 'j:' .. id, 'a', 'c', 'cp', 'fb') or {}
  return {options, v[1] or false, v[2] or false, v[3] or false, v[4] or false, epoch}
end

-- The end of a lease, the same for all jobs of a policy that one call claims.
local function lease_end(take, policy, options)
  local ends = options and take.ends_with_options or take.ends
  local text = ends[policy or '']
  if not text then
    text = take.queue .. ' ' .. policy_of(policy).keep .. (options and ' 1 ' or ' 0 ')
      .. digits(take.now) .. ' ' .. take.worker
    ends[policy or ''] = text
  end
  return text
end

-- Starts one job popped from a queue; answers whether it was claimed. It is not where its deadline
-- to start has passed, or where it has to wait for the owner of its affinity.
local function start(prefix, take, id, ready_at, lane)
  local v = redis.call('HMGET', prefix .. 'j:' .. id, 'e', 't', 'po', 'o', 'f')
  local envelope, enqueued, policy, options, fence = v[1], v[2], v[3], v[4], v[5]
  if not envelope then
    return false
  end
  local rare = false
  if options or fence then
    rare = rarities(prefix, take, id, ready_at, enqueued, options, fence)
    if not rare then
      return false
    end
  end
  fence = fence and digits(fence + 1) or '1'
  local claims, running, leases = take.claims, take.running, take.leases
  local n, r = #claims, #running
  running[r + 1], running[r + 2] = take.lease_until, id
  leases[r + 1], leases[r + 2] = id, fence .. ' ' .. take.lease_until .. ' ' .. ready_at .. ' '
    .. lease_end(take, policy, options)
  claims[n + 1], claims[n + 2], claims[n + 3] = id, envelope, policy
  claims[n + 4], claims[n + 5] = take.index * 256 + lane, fence
  claims[n + 6], claims[n + 7], claims[n + 8] = enqueued, ready_at, rare
  return true
end

-- Claims from one sorted set until `limit` jobs of it are started, it is empty, or the call has
-- looked at enough: jobs that are diverted on the way must not make it grow without end.
local function drain_set(prefix, take, set, lane, limit, effort)
  local started = 0
  while started < limit and effort.left > 0 do
    local popped = call('ZPOPMIN', set, math.min(limit - started, effort.left))
    if #popped == 0 then
      break
    end
    effort.left = effort.left - #popped / 2
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

local function most_urgent(lanes)
  local best = lanes[1]
  for _, lane in ipairs(lanes) do
    if lane.rank < best.rank then
      best = lane
    end
  end
  return best
end

local function claim_ready(prefix, takes, limit)
  local started, effort = 0, {left = limit + CHUNK}
  while started < limit and effort.left > 0 do
    local lanes = lanes_of(prefix, takes)
    local best = most_urgent(lanes)
    if not best then
      break
    end
    local take = best.take
    local wanted = ahead(lanes, best, math.min(limit - started, take.room))
    local got = drain_set(prefix, take, best.set, best.lane, wanted, effort)
    take.room, take.started, started = take.room - got, take.started + got, started + got
  end
  return started
end
