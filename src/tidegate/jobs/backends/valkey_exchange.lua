-- Exchange: settle attempts and claim jobs, one call for a whole batch of each.

-- Settlements. One is five arguments: verb, job, fence, body, end event.

local settle = {}

-- verb 'F' or 'F<ms to the retry>'; body: the error.
function settle.F(prefix, job, detail, body, given, now)
  call('HSET', prefix .. 'j:' .. job.id, 'er', with_error(job.errors, body), 'a', job.failures + 1)
  stop_running(prefix, job)
  if job.cancel then
    finish(prefix, job, 'cancelled', job.cancel, now)
  elseif detail ~= '' then
    return_at(prefix, job, now + tonumber(detail), now)
  else
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

-- Whoever ran the job died: its policy says whether it runs again. Answers the state if it is over.
local function crash(prefix, job, reason, now)
  local crashes = job.crashes + 1
  call('HSET', prefix .. 'j:' .. job.id, 'c', crashes, 're', reason)
  stop_running(prefix, job)
  if job.cancel then
    finish(prefix, job, 'cancelled', job.cancel, now)
    return 'cancelled'
  elseif job.policy.on_crash == 'fail' then
    finish(prefix, job, 'dead', reason, now)
    return 'dead'
  elseif crashes >= job.policy.crashes then
    finish(prefix, job, 'quarantined', reason, now)
    return 'quarantined'
  end
  local delay = math.min(CRASH_BACKOFF * 2 ^ (crashes - 1), LONGEST_CRASH_BACKOFF)
  return_at(prefix, job, now + delay, now)
end

-- verb 'K'; body: how the child process died.
function settle.K(prefix, job, _, body, _, now)
  crash(prefix, job, body, now)
end

-- verb 'X'; body: the reason.
function settle.X(prefix, job, _, body, given, now)
  stop_running(prefix, job)
  finish(prefix, job, 'cancelled', body, now, given)
end

-- What a completion needs of a lease, from the part that many leases share.
local function shared_part(prefix, text, tally)
  local part = tally.parts[text]
  if not part then
    local queue, keep, with_options = string.match(text, '^(%S+) (%S+) (%d)')
    part = {queue = queue, running = prefix .. 'running:' .. queue, ended = prefix .. 'ended:' .. queue,
      expires = digits(tally.now + keep * 1000), with_options = with_options == '1', jobs = 0}
    tally.parts[text] = part
  end
  return part
end

-- What only some completed jobs have. Answers whether the end has been told.
local function complete_options(prefix, id, queue, given, tally)
  local record, now = prefix .. 'j:' .. id, tally.now
  local options = cjson.decode(call('HGET', record, 'o'))
  if options.affinity then
    affinity_stopped(prefix, queue, options.affinity, call('HGET', record, 'ae'))
  end
  let_go(prefix, queue, id, options, now)
  if options.channel then
    local policy = policy_of(call('HGET', record, 'po'))
    publish_end(prefix, id, options.channel, given, policy, 'succeeded', nil, now)
    return true
  end
end

-- verb 'C'; body: the result. The one that must be fast: no read, one write, the rest shared.
local function complete(prefix, id, lease, part, result, given, tally)
  local record, batch = prefix .. 'j:' .. id, tally.batch
  if result == '' then
    redis.call('HSET', record, 's', 'succeeded', 'ls', lease, 'fi', tally.time)
  else
    redis.call('HSET', record, 's', 'succeeded', 'ls', lease, 'fi', tally.time, 'rs', result)
  end
  batch_one(batch, 'HDEL', tally.table, id)
  batch_one(batch, 'ZREM', part.running, id)
  batch_two(batch, 'ZADD', part.ended, part.expires, id)
  part.jobs = part.jobs + 1
  if not (part.with_options and complete_options(prefix, id, part.queue, given, tally)) then
    local quiet = #tally.quiet + 1
    tally.quiet[quiet], tally.ends[quiet] = id, given
  end
end

local function settle_one(prefix, verb, id, fence, body, given, tally)
  local lease = tally.leases[id]
  local held, ends, rest = string.match(lease or '', '^(%d+) (%d+) %S+ (.*)$')
  if held ~= fence or not is_after(ends, tally.time) then
    return '0'
  end
  tally.leases[id] = nil -- settled once
  if verb == 'C' then
    complete(prefix, id, lease, shared_part(prefix, rest, tally), body, given, tally)
  else
    local job = load(prefix, id)
    settle[string.sub(verb, 1, 1)](prefix, job, string.sub(verb, 2), body, given, tally.now)
    tally.touched[job.queue] = true
  end
  return '1'
end

-- The ends of jobs without a channel they share. Mostly none of them ever wrote, which one question
-- settles.
local function publish_ends(prefix, tally, now)
  if channels_existing(prefix, 'job:', tally.quiet) == 0 then
    return
  end
  for i, id in ipairs(tally.quiet) do
    local policy = policy_of(call('HGET', prefix .. 'j:' .. id, 'po'))
    publish_end(prefix, id, nil, tally.ends[i], policy, 'succeeded', nil, now)
  end
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

local function leases_of(prefix, args, first)
  local ids = {}
  for i = first + 1, #args, 5 do
    ids[#ids + 1] = args[i]
  end
  local found, leases = call('HMGET', prefix .. 'leases', unpack(ids)), {}
  for i, id in ipairs(ids) do
    leases[id] = found[i] or nil
  end
  return leases
end

-- Settles args[first...]; answers a string of 1 (accepted) and 0 (refused).
local function settle_all(prefix, args, first, now)
  if #args < first then
    return ''
  end
  local tally = {now = now, time = digits(now), table = prefix .. 'leases',
    leases = leases_of(prefix, args, first), batch = new_batch(), parts = {}, touched = {},
    quiet = {}, ends = {}}
  local accepted = {}
  for i = first, #args, 5 do
    accepted[#accepted + 1] = settle_one(prefix, args[i], args[i + 1], args[i + 2], args[i + 3],
      args[i + 4], tally)
  end
  flush(tally.batch)
  publish_ends(prefix, tally, now)
  for _, part in pairs(tally.parts) do
    count(prefix, part.queue, 'succeeded', part.jobs, now)
    tally.touched[part.queue] = true
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

-- Jobs of a worker that are asked to cancel, and why; those it has settled are forgotten.
local function cancels_of(prefix, worker)
  local asked, still = call('HGETALL', prefix .. 'cancels:' .. worker), {}
  for i = 1, #asked, 2 do
    local lease = parsed(call('HGET', prefix .. 'leases', asked[i]))
    if lease and lease.worker == worker then
      still[#still + 1], still[#still + 2] = asked[i], asked[i + 1]
    else
      call('HDEL', prefix .. 'cancels:' .. worker, asked[i])
    end
  end
  return still
end

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
  local prefix, now, worker, limit = keys[1], time_ms(args[1]), args[2], tonumber(args[3])
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
end)
