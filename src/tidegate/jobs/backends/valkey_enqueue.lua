-- Enqueue: store records, then put each job where it may be claimed or has to wait.

-- Scores within a queue only go up, also within a millisecond: that is the order of enqueuing.
-- 1/1024 ms is exact in a double beside today's milliseconds.
local STEP = 1 / 1024

local function next_score(prefix, queue, wanted, now)
  local counters = prefix .. 'q:' .. queue
  local last = tonumber(call('HGET', counters, 'last') or 0)
  local first = math.max(now, last + STEP)
  if wanted == 0 then
    return first
  end
  call('HSET', counters, 'last', first + (wanted - 1) * STEP)
  return first
end

-- The id of the job that makes this one a duplicate, if there is one; else the id is taken.
local function duplicate_of(prefix, queue, id, options, now)
  local known = call('HGET', prefix .. 'dedupe:' .. queue, options.dedupe)
  if known then
    local ends, job = string.match(known, '^(%d+) (.*)$')
    if job ~= id and (ends == '0' or tonumber(ends) > now) then
      return job
    end
  end
  local ends = options.window and now + options.window or 0
  call('HSET', prefix .. 'dedupe:' .. queue, options.dedupe, string.format('%.0f %s', ends, id))
  if options.window then
    call('ZADD', prefix .. 'dedupe-until:' .. queue, ends, options.dedupe)
  end
end

-- A job with options; answers whether it is ready for anyone.
local function place(prefix, job, score, now)
  local options, queue = job.options, job.queue
  if options.start then
    call('ZADD', prefix .. 'start-by:' .. queue, now + options.start, job.id)
  end
  if options.due then
    job.due = now + options.due
  end
  if options.key then
    local line = prefix .. 'key:' .. queue .. ':' .. options.key
    call('ZADD', line, score, job.id)
    if call('ZRANGE', line, 0, 0)[1] ~= job.id then
      call('HSET', prefix .. 'j:' .. job.id, 's', 'pending')
      if job.due then
        call('HSET', prefix .. 'j:' .. job.id, 'du', job.due)
      end
      call('ZADD', prefix .. 'pending:' .. queue, score, job.id)
      return false
    end
  end
  return admit(prefix, job, score, now)
end

local function waiting(prefix, queue, lanes)
  local total = 0
  for lane = 0, lanes - 1 do
    total = total + call('ZCARD', prefix .. 'ready:' .. queue .. ':' .. lane)
  end
  return total
end

local function depth(prefix, queue, lanes)
  return waiting(prefix, queue, lanes) + call('ZCARD', prefix .. 'running:' .. queue)
end

-- What the bound of a queue is held against: all it was given that nothing but room delays.
local function load_of(prefix, queue, lanes)
  return depth(prefix, queue, lanes) + call('ZCARD', prefix .. 'pending:' .. queue)
    + call('ZCARD', prefix .. 'bound:' .. queue)
end

-- What a queue holds and its bound, where `coming` more are too many; else nothing.
local function over_bound(prefix, queue, coming)
  local settings = settings_of(prefix, queue)
  if settings.max_depth > 0 then
    local held = load_of(prefix, queue, settings.lanes)
    if held + coming > settings.max_depth then
      return held, settings.max_depth
    end
  end
end

-- A run of jobs alike in args, from its heading at `i`: queue, lane, policy, how many, how many are
-- to come in all; then for each job id, envelope, options.
local HEADING, PER_JOB = 5, 3

local function next_run(args, i)
  return i + HEADING + PER_JOB * tonumber(args[i + 3])
end

-- How many of a call's jobs of this queue are stored already, because the call is repeated.
local function known_of(prefix, args, queue)
  local known, i = 0, 2
  while i <= #args do
    local after = next_run(args, i)
    for id = i + HEADING, args[i] == queue and after - 1 or 0, PER_JOB do
      known = known + call('EXISTS', prefix .. 'j:' .. args[id])
    end
    i = after
  end
  return known
end

-- The first queue that has no room for what is to come, what it holds and its bound.
local function full_queue(prefix, args)
  local i = 2
  while i <= #args do
    local coming = tonumber(args[i + 4])
    if coming > 0 then
      local held, bound = over_bound(prefix, args[i], coming)
      if held and held + coming - known_of(prefix, args, args[i]) > bound then
        return {'full', args[i], held, bound}
      end
    end
    i = next_run(args, i)
  end
end

-- args: time, then runs of jobs alike. Answers for each job 1 (stored), 0 (its id exists) or the id
-- of the job it duplicates; or {'full', queue, held, bound}, and nothing is stored.
register('enqueue', function(keys, args)
  local call = redis.call
  local prefix, now = keys[1], time_ms(args[1])
  local full = full_queue(prefix, args)
  if full then
    return full
  end
  local last, i = #args, 2
  local batch, answers, created, woken = new_batch(), {}, {}, {}
  while i <= last do
    local queue, lane, policy, jobs = args[i], args[i + 1], args[i + 2], tonumber(args[i + 3])
    local score = next_score(prefix, queue, jobs, now)
    local ready, all = prefix .. 'ready:' .. queue .. ':' .. lane, prefix .. 'all:' .. queue
    i = i + HEADING
    for _ = 1, jobs do
      local id, envelope, text = args[i], args[i + 1], args[i + 2]
      local record, options, answer = prefix .. 'j:' .. id, nil, 1
      if call('EXISTS', record) == 1 then
        answer = 0
      elseif text ~= '' then
        options = cjson.decode(text)
        answer = options.dedupe and duplicate_of(prefix, queue, id, options, now) or 1
      end
      if answer == 1 then
        local fields = {'s', 'ready', 'q', queue, 't', now, 'e', envelope}
        local n = 8
        if lane ~= '0' then
          fields[n + 1], fields[n + 2], n = 'l', lane, n + 2
        end
        if policy ~= '' then
          fields[n + 1], fields[n + 2], n = 'po', policy, n + 2
        end
        if options then
          fields[n + 1], fields[n + 2] = 'o', text
        end
        call('HSET', record, unpack(fields))
        batch_two(batch, 'ZADD', all, score, id)
        created[queue] = (created[queue] or 0) + 1
        if not options then
          batch_two(batch, 'ZADD', ready, score, id)
          woken[queue] = true
        elseif place(prefix, {id = id, queue = queue, lane = lane, options = options}, score, now) then
          woken[queue] = true
        end
      end
      answers[#answers + 1] = answer
      score = score + STEP
      i = i + PER_JOB
    end
  end
  flush(batch)
  for queue, jobs in pairs(created) do
    count(prefix, queue, 'enqueued', jobs, now)
  end
  for queue in pairs(woken) do
    wake_queue(prefix, queue)
  end
  return answers
end)
