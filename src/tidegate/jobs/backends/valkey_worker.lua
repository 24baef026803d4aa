-- What a worker says and is told between exchanges, and what its attempts write.

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
end, WHEN_FULL)

local function forget_worker(prefix, worker)
  free_affinities(prefix, worker)
  call('ZREM', prefix .. 'workers', worker)
  call('HDEL', prefix .. 'reports', worker)
  call('DEL', prefix .. 'wake:w:' .. worker, prefix .. 'cancels:' .. worker)
end

register('leave', function(keys, args)
  forget_worker(keys[1], args[2])
  return 1
end, WHEN_FULL)

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
end, READS)
