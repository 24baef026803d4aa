-- The record of a job, and the sets it is in. Keys, all under the app's prefix:
--   j:<job>                      hash, below
--   q:<queue>                    hash: settings, paused, totals, tat (of the rate limit), last score
--   ready:<queue>:<lane>         zset by the time it became ready
--   running:<queue>              zset by the end of the lease
--   due:<queue>                  zset of scheduled jobs by due time
--   pending:<queue>              zset of jobs behind another of their key
--   key:<queue>:<key>            zset of a key's live jobs, in order; the first may run
--   start-by:<queue>             zset of waiting jobs by the deadline to start
--   all:<queue>                  zset of every record, in the order of enqueuing
--   dead:<queue>, quarantined:<queue>   the same for those that failed for good
--   ended:<queue>                zset of ended jobs by the time their record goes
--   dedupe:<queue>               hash: dedupe id -> '<until ms, 0 while live> <job>'
--   dedupe-until:<queue>         zset of dedupe ids with a window, by its end
--   persecond:<queue>            hash, a ring of 64 seconds: what was enqueued and finished
--   leases                       hash of every running job: its lease, below
-- A job's fields; what has its default is not written:
--   s state ('ready')   q queue   l lane   t enqueued   e envelope   po policy (JSON)   o options (JSON)
--   f fence, the number of deliveries ever    fb fence at the last redrive
--   a failures   c crashes   er errors, a JSON object a line   re reason
--   du due   hd '1' to return at the head   ae epoch of its affinity   cx reason of a cancel asked
--   for   fi finished   rs result   ls its last lease   pg progress   cp checkpoint
--   m:<step> outcome of a step
-- A job runs while it has a lease; `s` and `f` are written again when it stops. That makes a claim
-- one read of the record and no write, and lets a batch of leases share each command.
-- A lease: '<fence> <until> <ready at> <queue> <seconds the record is kept> <1 with options, else 0>
-- <started> <worker>'; from the queue on it is the same for all jobs of a policy claimed at once.
-- All times are milliseconds. Options: key, affinity, dedupe, window, due, start, channel.
-- Numbers that go into many commands are made text once: that conversion is what costs most.

local DEFAULT_POLICY = {
  crashes = 3,
  on_crash = 'retry',
  keep = 3600,
  keep_failed = 14 * 86400,
  ['end'] = '{"type":"end"}',
}
local CRASH_BACKOFF, LONGEST_CRASH_BACKOFF = 1000, 60000
local ERRORS_KEPT = 5
local CHUNK = 1000 -- elements of one command; `unpack` is bounded by Lua's stack

local policies, policies_known = {}, 0

-- Decoded once each: an app has few policies and many jobs.
local function policy_of(text)
  if not text then
    return DEFAULT_POLICY
  end
  local policy = policies[text]
  if not policy then
    if policies_known >= 256 then
      policies, policies_known = {}, 0
    end
    policy = cjson.decode(text)
    for name, value in pairs(DEFAULT_POLICY) do
      if policy[name] == nil then
        policy[name] = value
      end
    end
    policies[text], policies_known = policy, policies_known + 1
  end
  return policy
end

local function digits(number)
  return string.format('%.0f', number)
end

-- Whether one time comes after another, both as digits.
local function is_after(time, other)
  return #time > #other or (#time == #other and time > other)
end

local NO_OPTIONS = {}

local function options_of(text)
  return text and cjson.decode(text) or NO_OPTIONS
end

local function as_table(flat)
  local pairs_of = {}
  for i = 1, #flat, 2 do
    pairs_of[flat[i]] = flat[i + 1]
  end
  return pairs_of
end

-- Commands collected so that many jobs share one call: {[command] = {[key] = elements}}.
local function new_batch()
  return {ZADD = {}, ZREM = {}, HSET = {}, HDEL = {}}
end

local function elements_of(batch, command, key)
  local elements = batch[command][key]
  if not elements then
    elements = {}
    batch[command][key] = elements
  end
  return elements
end

local function batch_one(batch, command, key, member)
  local elements = elements_of(batch, command, key)
  elements[#elements + 1] = member
end

local function batch_two(batch, command, key, first, second)
  local elements = elements_of(batch, command, key)
  local n = #elements
  elements[n + 1], elements[n + 2] = first, second
end

local function call_in_chunks(command, key, elements)
  for first = 1, #elements, CHUNK do
    call(command, key, unpack(elements, first, math.min(first + CHUNK - 1, #elements)))
  end
end

local function flush(batch)
  for command, keys in pairs(batch) do
    for key, elements in pairs(keys) do
      call_in_chunks(command, key, elements)
    end
  end
end

-- A queue's settings. One that was never declared has the defaults.
local function settings_of(prefix, queue)
  local values = call('HMGET', prefix .. 'q:' .. queue, 'lanes', 'lease', 'ageing', 'max_depth',
    'concurrency', 'rate', 'burst', 'paused', 'tat')
  return {
    lanes = tonumber(values[1] or 3),
    lease = tonumber(values[2] or 30000),
    ageing = tonumber(values[3] or 60000),
    max_depth = tonumber(values[4] or 0),
    concurrency = tonumber(values[5] or 0),
    rate = tonumber(values[6] or 0),
    burst = tonumber(values[7] or 1),
    paused = values[8] == '1',
    tat = tonumber(values[9] or 0),
  }
end

-- Counts `by` into a total and into this second's place in the ring.
local function count(prefix, queue, what, by, now)
  call('HINCRBY', prefix .. 'q:' .. queue, what, by)
  local ring, second = prefix .. 'persecond:' .. queue, math.floor(now / 1000)
  local place = second % 64
  if call('HGET', ring, 'at' .. place) ~= tostring(second) then
    call('HSET', ring, 'at' .. place, tostring(second), 'enqueued' .. place, 0, 'finished' .. place, 0)
  end
  call('HINCRBY', ring, (what == 'enqueued' and what or 'finished') .. place, by)
end

-- One waiting worker is woken; it wakes the next if it leaves something behind (`exchange`).
local function wake_queue(prefix, queue)
  call('ZADD', prefix .. 'wake:q:' .. queue, 0, '1')
  call('ZADD', prefix .. 'wake:orchestrator', 0, queue)
end

local function wake_worker(prefix, worker)
  call('ZADD', prefix .. 'wake:w:' .. worker, 0, '1')
end

-- Affinity. owner:<queue>:<affinity> is a hash: w worker, e epoch, n jobs of it running.
-- bound:<queue> holds every bound job, bound-worker:<queue>:<worker> and
-- bound-affinity:<queue>:<affinity> the same by whom they wait for. affinities:<worker> is the set
-- of '<queue> <affinity>' it owns; workers is a zset of workers by the time their word holds.

local function worker_lives(prefix, worker, now)
  local alive_until = call('ZSCORE', prefix .. 'workers', worker)
  return alive_until and tonumber(alive_until) > now
end

local function owner_of(prefix, queue, affinity)
  local owner = call('HMGET', prefix .. 'owner:' .. queue .. ':' .. affinity, 'w', 'e')
  return owner[1], tonumber(owner[2] or 0)
end

local function live_owner(prefix, queue, affinity, now)
  local worker, epoch = owner_of(prefix, queue, affinity)
  if worker and worker_lives(prefix, worker, now) then
    return worker, epoch
  end
end

local function bind(prefix, queue, affinity, worker, score, job)
  call('ZADD', prefix .. 'bound:' .. queue, score, job)
  call('ZADD', prefix .. 'bound-affinity:' .. queue .. ':' .. affinity, score, job)
  call('ZADD', prefix .. 'bound-worker:' .. queue .. ':' .. worker, score, job)
  wake_worker(prefix, worker)
end

-- Whether the job was bound; it is not afterwards.
local function unbind(prefix, queue, affinity, job)
  if call('ZREM', prefix .. 'bound:' .. queue, job) == 0 then
    return false
  end
  local worker = owner_of(prefix, queue, affinity)
  call('ZREM', prefix .. 'bound-affinity:' .. queue .. ':' .. affinity, job)
  if worker then
    call('ZREM', prefix .. 'bound-worker:' .. queue .. ':' .. worker, job)
  end
  return true
end

-- Takes an affinity from its owner; its bound jobs are ready for anyone.
local function free_affinity(prefix, queue, affinity)
  local worker = owner_of(prefix, queue, affinity)
  if not worker then
    return
  end
  call('DEL', prefix .. 'owner:' .. queue .. ':' .. affinity)
  call('SREM', prefix .. 'affinities:' .. worker, queue .. ' ' .. affinity)
  local waiting = prefix .. 'bound-affinity:' .. queue .. ':' .. affinity
  local batch, freed = new_batch(), call('ZRANGE', waiting, 0, -1, 'WITHSCORES')
  for i = 1, #freed, 2 do
    local job = freed[i]
    local lane = call('HGET', prefix .. 'j:' .. job, 'l') or 0
    batch_one(batch, 'ZREM', prefix .. 'bound:' .. queue, job)
    batch_one(batch, 'ZREM', prefix .. 'bound-worker:' .. queue .. ':' .. worker, job)
    batch_two(batch, 'ZADD', prefix .. 'ready:' .. queue .. ':' .. lane, freed[i + 1], job)
  end
  call('DEL', waiting)
  flush(batch)
  if #freed > 0 then
    wake_queue(prefix, queue)
  end
end

-- The epoch under which `worker` owns the affinity from now on; nil while another does.
-- Epochs come from one counter of the app, so that none is ever used twice. It is never behind the
-- time in seconds: what an epoch guards may outlive a server that loses all it knows.
local function own_affinity(prefix, queue, affinity, worker, now)
  local owner, epoch = owner_of(prefix, queue, affinity)
  if owner == worker then
    return epoch
  end
  if owner then
    if worker_lives(prefix, owner, now) then
      return nil, owner
    end
    free_affinity(prefix, queue, affinity)
  end
  epoch = call('HINCRBY', prefix .. 'meta', 'affinities', 1)
  if epoch < now / 1000 then
    epoch = math.floor(now / 1000)
    call('HSET', prefix .. 'meta', 'affinities', epoch)
  end
  call('HSET', prefix .. 'owner:' .. queue .. ':' .. affinity, 'w', worker, 'e', epoch, 'n', 0)
  call('SADD', prefix .. 'affinities:' .. worker, queue .. ' ' .. affinity)
  return epoch
end

-- The rest of the affinity's jobs wait for the owner that one of them now runs on.
local function affinity_stopped(prefix, queue, affinity, epoch)
  local owner = prefix .. 'owner:' .. queue .. ':' .. affinity
  if call('HGET', owner, 'e') == tostring(epoch) then
    call('HINCRBY', owner, 'n', -1)
  end
end

local function set_state(prefix, job, state)
  if job.stored ~= state then
    call('HSET', prefix .. 'j:' .. job.id, 's', state)
    job.stored = state
  end
end

-- Admission: where a job that nothing holds back goes. Answers whether a worker may claim it.
-- job: {id, queue, lane, options, due, stored state}; score: its place among the ready; batch: where
-- to collect instead of calling.
local function admit(prefix, job, score, now, batch)
  if job.due and job.due > now then
    local due = prefix .. 'due:' .. job.queue
    set_state(prefix, job, 'scheduled')
    call('HSET', prefix .. 'j:' .. job.id, 'du', job.due)
    call('ZADD', due, job.due, job.id)
    if call('ZRANGE', due, 0, 0)[1] == job.id then
      wake_queue(prefix, job.queue) -- somebody has to know how long to sleep now
    end
    return false
  end
  set_state(prefix, job, 'ready')
  local affinity = job.options.affinity
  local owner = affinity and live_owner(prefix, job.queue, affinity, now)
  if owner then
    bind(prefix, job.queue, affinity, owner, score, job.id)
    return false
  end
  local ready = prefix .. 'ready:' .. job.queue .. ':' .. job.lane
  if batch then
    batch_two(batch, 'ZADD', ready, score, job.id)
  else
    call('ZADD', ready, score, job.id)
  end
  return true
end

-- A lease taken apart; nil where there is none.
local function parsed(lease)
  if lease then
    local fence, ends, queue, worker =
      string.match(lease, '^(%d+) (%d+) %S+ (%S+) %S+ %d %d+ (.*)$')
    return {fence = tonumber(fence), ends = tonumber(ends), queue = queue, worker = worker,
      text = lease}
  end
end

-- A job as the slow paths need it; nil where it has no record.
local function load(prefix, id)
  local v = call('HMGET', prefix .. 'j:' .. id, 's', 'q', 'l', 't', 'f', 'o', 'po', 'du', 'hd', 'cx',
    'a', 'c', 'ae', 'er')
  if not v[2] then
    return nil
  end
  local lease = parsed(call('HGET', prefix .. 'leases', id))
  return {
    id = id, stored = v[1] or 'ready', state = lease and 'running' or v[1] or 'ready', lease = lease, queue = v[2], lane = v[3] or '0',
    enqueued = tonumber(v[4]), fence = lease and lease.fence or tonumber(v[5] or 0),
    options = options_of(v[6]), policy = policy_of(v[7]), due = tonumber(v[8] or 0),
    at_head = v[9], cancel = v[10], failures = tonumber(v[11] or 0),
    crashes = tonumber(v[12] or 0), epoch = v[13], errors = v[14],
  }
end

-- The next job of a key may run, now that the one before it has ended.
local function advance_key(prefix, queue, key, ended, now)
  local line = prefix .. 'key:' .. queue .. ':' .. key
  if call('ZREM', line, ended) == 0 then
    return
  end
  while true do
    local id = call('ZRANGE', line, 0, 0)[1]
    if not id then
      return
    end
    local job = load(prefix, id)
    if job then
      if job.state == 'pending' then
        call('ZREM', prefix .. 'pending:' .. queue, id)
        if admit(prefix, job, now, now) then
          wake_queue(prefix, queue)
        end
      end
      return
    end
    call('ZREM', line, id)
  end
end

-- What ended jobs leave: their place in the key, their dedupe id, the deadline.
local function let_go(prefix, queue, id, options, now)
  if options.key then
    advance_key(prefix, queue, options.key, id, now)
  end
  if options.dedupe and not options.window then
    -- While a job lives, the id without a window is its own.
    call('HDEL', prefix .. 'dedupe:' .. queue, options.dedupe)
  end
  if options.start then
    call('ZREM', prefix .. 'start-by:' .. queue, id)
  end
end

-- The template of a policy with job, state and reason laid over it. Spliced as text: decoding and
-- encoding again would turn an empty list into an object and long integers into floats.
local function end_event(template, id, state, reason)
  local body = string.match(template, '^%s*{%s*(.-)%s*}%s*$')
  return '{' .. body .. (body == '' and '' or ',') .. '"job":' .. cjson.encode(id) .. ',"state":"'
    .. state .. '","reason":' .. (reason and cjson.encode(reason) or 'null') .. '}'
end

-- A channel that jobs share gets every end; a job's own only if the job ever wrote to it.
local function publish_end(prefix, id, channel, given, policy, state, reason, now)
  channel = channel or ('job:' .. id)
  if channel == 'job:' .. id and not channel_exists(prefix, channel) then
    return
  end
  if not given or given == '' then
    given = end_event(policy['end'], id, state, reason)
  end
  channel_append(prefix, channel, {given}, now)
end

local KEPT_APART = {dead = true, quarantined = true}

-- Ends a job that is in none of the waiting and running sets any more.
local function finish(prefix, job, state, reason, now, given)
  local queue, id, policy = job.queue, job.id, job.policy
  call('HSET', prefix .. 'j:' .. id, 's', state, 'fi', now, 're', reason or '')
  local keep = KEPT_APART[state] and policy.keep_failed or policy.keep
  call('ZADD', prefix .. 'ended:' .. queue, now + keep * 1000, id)
  if KEPT_APART[state] then
    local place = call('ZSCORE', prefix .. 'all:' .. queue, id) or now
    call('ZADD', prefix .. state .. ':' .. queue, place, id)
    count(prefix, queue, 'failed', 1, now)
  end
  let_go(prefix, queue, id, job.options, now)
  publish_end(prefix, id, job.options.channel, given, policy, state, reason, now)
end

-- Takes a job out of whatever it waits in.
local function withdraw(prefix, job)
  local queue, id, affinity = job.queue, job.id, job.options.affinity
  if job.state == 'pending' then
    call('ZREM', prefix .. 'pending:' .. queue, id)
  elseif job.state == 'scheduled' then
    call('ZREM', prefix .. 'due:' .. queue, id)
  elseif not (affinity and unbind(prefix, queue, affinity, id)) then
    call('ZREM', prefix .. 'ready:' .. queue .. ':' .. job.lane, id)
  end
end

-- Takes its lease from a job, whatever comes next.
local function stop_running(prefix, job)
  call('HDEL', prefix .. 'leases', job.id)
  call('ZREM', prefix .. 'running:' .. job.queue, job.id)
  call('HSET', prefix .. 'j:' .. job.id, 'f', job.fence, 'ls', job.lease.text)
  if job.options.affinity and job.epoch then
    affinity_stopped(prefix, job.queue, job.options.affinity, job.epoch)
  end
end

-- Runs again at `due`; a key waits with it.
local function return_at(prefix, job, due, now)
  job.due = due
  if admit(prefix, job, now, now) then
    wake_queue(prefix, job.queue)
  end
end

local function with_error(errors, error)
  local lines = {}
  for line in string.gmatch(errors or '', '[^\n]+') do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = error
  return table.concat(lines, '\n', math.max(1, #lines - ERRORS_KEPT + 1))
end
