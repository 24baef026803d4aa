-- Queues: one hash per job, and sorted sets that say where each job is. Every function is one call
-- and atomic, so a job is always in exactly one place. Keys, all under the app's prefix:
--   j:<job>                     hash: the record, below
--   leases                      hash of every running job: its lease, below
--   q:<queue>                   hash: settings, paused, totals, tat (of the rate limit), last score
--   ready:<queue>:<lane>        zset by the time a job became ready
--   running:<queue>             zset by the end of the lease
--   due:<queue>                 zset of scheduled jobs by due time
--   pending:<queue>             zset of jobs behind another of their key
--   key:<queue>:<key>           zset of a key's live jobs, in order; the first may run
--   start-by:<queue>            zset of waiting jobs by their deadline to start
--   all:<queue>                 zset of every record, in the order of enqueuing
--   dead:<queue>, quarantined:<queue>   the same for those that failed for good
--   ended:<queue>               zset of ended jobs by the time their record goes
--   dedupe:<queue>              hash: dedupe id -> '<until, 0 while it lives> <job>'
--   dedupe-until:<queue>        zset of dedupe ids with a window, by its end
--   persecond:<queue>           hash, a ring of 64 seconds: what was enqueued and finished
--   workers, reports, metrics   zset by when a worker's word lapses; hashes of what they told
--   cancels:<worker>            hash: jobs it runs that are asked to cancel -> reason
--   wake:q:<queue>, wake:w:<worker>, wake:orchestrator   zsets whose markers wake who sleeps
-- and those of affinities (valkey_affinity.lua). All times are milliseconds.
--
-- A record's fields; what has its default is not written:
--   q queue   l lane   t enqueued   e envelope   po policy (JSON)   o options (JSON): key, affinity,
--   dedupe, window, due, start, channel
--   s state ('ready')   du due   hd '1' to return at the head   ae epoch of its affinity
--   f fence, the number of deliveries ever   fb fence at the last redrive   a failures   c crashes
--   ls last lease   cp checkpoint   pg progress   m:<step> outcome of a step
--   er errors, a JSON object a line   cx reason of a cancel asked for   re reason   fi finished
--   rs result
--
-- A job runs while it has a lease; `s` and `f` are written when it stops. So a claim reads the
-- record and does not write it, and all leases of a call share one command. A lease is
--   '<fence> <until> <ready at> <queue> <s the record is kept> <1 with options, else 0> <started>
--   <worker>'
-- and from the queue on the same for all jobs of a policy that one call claims. Numbers that go
-- into many commands are made text once: that conversion costs more than the command's own work.

local DEFAULT_POLICY = {
  crashes = 3,
  on_crash = 'retry',
  keep = 3600,
  keep_failed = 14 * 86400,
  ['end'] = '{"type":"end"}',
}
-- Flags of functions: those that let go of more than they store work although memory is full.
local WHEN_FULL, READS = {'allow-oom'}, {'no-writes'}
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

register('declare', function(keys, args)
  for i = 2, #args, 8 do
    local name = keys[1] .. 'q:' .. args[i]
    -- Lanes never go away: jobs of one that is no longer declared are still claimed.
    local lanes = math.max(tonumber(args[i + 1]), tonumber(call('HGET', name, 'lanes') or 0))
    call('HSET', name, 'lanes', lanes, 'lease', args[i + 2], 'ageing', args[i + 3], 'max_depth',
      args[i + 4], 'concurrency', args[i + 5], 'rate', args[i + 6], 'burst', args[i + 7])
  end
  return #args
end)
