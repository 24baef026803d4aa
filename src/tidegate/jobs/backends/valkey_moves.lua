-- How a job moves from one state to the next, whoever moves it.

local WAITING = {pending = true, scheduled = true, ready = true}

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

local ERRORS_KEPT = 5

local function with_error(errors, error)
  local lines = {}
  for line in string.gmatch(errors or '', '[^\n]+') do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = error
  return table.concat(lines, '\n', math.max(1, #lines - ERRORS_KEPT + 1))
end
