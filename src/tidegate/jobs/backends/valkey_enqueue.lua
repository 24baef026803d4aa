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
  local known, ends = prefix .. 'dedupe:' .. queue, options.window and now + options.window or 0
  local value = digits(ends) .. ' ' .. id
  if call('HSETNX', known, options.dedupe, value) == 0 then
    local until_time, job = string.match(call('HGET', known, options.dedupe), '^(%d+) (.*)$')
    if job ~= id and (until_time == '0' or tonumber(until_time) > now) then
      return job
    end
    call('HSET', known, options.dedupe, value)
  end
  if options.window then
    call('ZADD', prefix .. 'dedupe-until:' .. queue, ends, options.dedupe)
  end
end

-- A job that has just been stored; answers whether it is ready for anyone.
local function place(prefix, job, score, now, batch)
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
      set_state(prefix, job, 'pending')
      if job.due then
        call('HSET', prefix .. 'j:' .. job.id, 'du', job.due)
      end
      call('ZADD', prefix .. 'pending:' .. queue, score, job.id)
      return false
    end
  end
  return admit(prefix, job, score, now, batch)
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

-- Finds out which ids are taken: mostly none is, which one question for the whole call settles.
local function known_ids(prefix, args)
  local records, i = {}, 2
  while i <= #args do
    local after = next_run(args, i)
    for id = i + HEADING, after - 1, PER_JOB do
      records[#records + 1] = prefix .. 'j:' .. args[id]
    end
    i = after
  end
  local any = #records > 0 and call('EXISTS', unpack(records)) > 0
  local seen = {}
  return function(id)
    local known = seen[id] or (any and call('EXISTS', prefix .. 'j:' .. id) == 1)
    seen[id] = true
    return known
  end
end

-- Stores a record. Only what differs from the default is written; a new job is ready by default.
local function store(record, run, envelope, options)
  local lane, policy = run.lane ~= '0', run.policy ~= ''
  if not (lane or policy or options) then
    redis.call('HSET', record, 'q', run.queue, 't', run.time, 'e', envelope)
    return
  end
  local fields, n = {'q', run.queue, 't', run.time, 'e', envelope}, 6
  if lane then
    fields[n + 1], fields[n + 2], n = 'l', run.lane, n + 2
  end
  if policy then
    fields[n + 1], fields[n + 2], n = 'po', run.policy, n + 2
  end
  if options then
    fields[n + 1], fields[n + 2] = 'o', options
  end
  redis.call('HSET', record, unpack(fields))
end

-- Stores and places one job that is new by its id; answers 1, or the job it is a duplicate of.
local function take_in(prefix, run, id, envelope, text)
  local options = text ~= '' and cjson.decode(text)
  local twin = options and options.dedupe and duplicate_of(prefix, run.queue, id, options, run.now)
  if twin then
    return twin
  end
  store(prefix .. 'j:' .. id, run, envelope, options and text)
  batch_two(run.batch, 'ZADD', run.all, run.score, id)
  run.stored = run.stored + 1
  if not options then
    batch_two(run.batch, 'ZADD', run.ready, run.score, id)
    run.wakes = true
    return 1
  end
  local job = {id = id, queue = run.queue, lane = run.lane, options = options, stored = 'ready'}
  if place(prefix, job, run.score, run.now, run.batch) then
    run.wakes = true
  end
  return 1
end

local function run_at(prefix, args, i, batch, now)
  local queue, lane = args[i], args[i + 1]
  return {
    queue = queue, lane = lane, policy = args[i + 2], now = now, time = digits(now), batch = batch,
    score = next_score(prefix, queue, tonumber(args[i + 3]), now), stored = 0, wakes = false,
    ready = prefix .. 'ready:' .. queue .. ':' .. lane, all = prefix .. 'all:' .. queue,
  }
end

-- args: time, then runs of jobs alike. Answers for each job 1 (stored), 0 (its id exists) or the id
-- of the job it duplicates; or {'full', queue, held, bound}, and nothing is stored.
register('enqueue', function(keys, args)
  local prefix, now = keys[1], time_ms(args[1])
  local full = full_queue(prefix, args)
  if full then
    return full
  end
  local is_known, batch, answers, runs, i = known_ids(prefix, args), new_batch(), {}, {}, 2
  while i <= #args do
    local run, after = run_at(prefix, args, i, batch, now), next_run(args, i)
    for id = i + HEADING, after - 1, PER_JOB do
      answers[#answers + 1] = is_known(args[id]) and 0
        or take_in(prefix, run, args[id], args[id + 1], args[id + 2])
      run.score = run.score + STEP
    end
    runs[#runs + 1], i = run, after
  end
  flush(batch)
  for _, run in ipairs(runs) do
    if run.stored > 0 then
      count(prefix, run.queue, 'enqueued', run.stored, now)
    end
    if run.wakes then
      wake_queue(prefix, run.queue)
    end
  end
  return answers
end)
