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

local CRASH_BACKOFF, LONGEST_CRASH_BACKOFF = 1000, 60000

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
