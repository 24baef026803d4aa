-- What people do to jobs and queues: cancel, redrive, pause.

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
end, WHEN_FULL)

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
end, WHEN_FULL)
