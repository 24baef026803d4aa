-- Affinity: whose jobs are for one worker alone.
-- owner:<queue>:<affinity> is a hash: w worker, e epoch, n jobs of it running.
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

local function free_affinities(prefix, worker)
  for _, pair in ipairs(call('SMEMBERS', prefix .. 'affinities:' .. worker)) do
    local queue, affinity = string.match(pair, '^(%S+) (.*)$')
    free_affinity(prefix, queue, affinity)
  end
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

-- Refused while a job of it runs: one may have been claimed since the owner looked.
register('release_affinity', function(keys, args)
  local worker, epoch = owner_of(keys[1], args[3], args[4])
  local running = call('HGET', keys[1] .. 'owner:' .. args[3] .. ':' .. args[4], 'n')
  if worker ~= args[2] or epoch ~= tonumber(args[5]) or running ~= '0' then
    return 0
  end
  free_affinity(keys[1], args[3], args[4])
  return 1
end, WHEN_FULL)

register('owns_affinity', function(keys, args)
  local _, epoch = live_owner(keys[1], args[2], args[3], time_ms(args[1]))
  return epoch == tonumber(args[4]) and 1 or 0
end, READS)
