-- Apply a batch of games to the live view as state transitions (old -> new). Atomic: one script, one slot.
-- Any order and any repetition give the view that a computation from scratch gives.
--
-- KEYS[1]  version        string; family VERSION
-- KEYS[2]  epoch          string; family EPOCH; absent: there is no view to apply to
-- KEYS[3]  writer         string, the newest writer's token; family WRITER
-- KEYS[4]  pending        zset; family PENDING
-- KEYS[5]  state          hash; family STATE
-- KEYS[6]  chunks         hash; family CHUNKS
-- KEYS[7]  intervals:all  hash; family INTERVALS
-- KEYS[8]  series         hash, field = condition; family SERIES
-- KEYS[9]  events         stream; family EVENTS
-- KEYS[10 .. 9+4c]        per condition: occurrences (OCCURRENCES), intervals (INTERVALS), closed series (CLOSED_SERIES),
--                         longest series (LONGEST_SERIES)
-- ARGV[1]  token     the caller's writer token
-- ARGV[2]  channel   for the message about the new version
-- ARGV[3]  ledger    prefix of the chunk keys: chunks are named by what is found, in the same slot
-- ARGV[4]  conditions  per condition 12 bytes: lowest and highest hundredths that meet it (6 bytes each)
-- ARGV[5]  games     in ascending id order, per game 28 bytes: id (8), sequence number (8), crash point in hundredths
--                    (6; 0 = no such game), end time in ms (6; 0 = unknown)
-- ARGV[6]  names     of the conditions in the same order, between spaces
-- Returns  {status, version, new, corrected, removed, unchanged, below}; status "applied", "overtaken" (a newer writer
--          took over) or "no view" (there is none for these conditions, or a part of it was lost); nothing is written
--          unless "applied"
-- Writes   KEYS[1], KEYS[4 ..], chunk keys; no TTL; PUBLISH channel '{"namespace":..,"version":..,"head":..,"games":..}';
--          one entry of the stream, its id <version>-0
-- Cost     about 60 commands and 0.25 ms for one game with 19 conditions; per batch each cell is written once
--
-- Series depend on the order of the games. Games that follow the head are appended to them in O(1); any other change
-- that matters to a condition removes its series here, and the writer computes them anew before it lets go of its lock
-- (live/series.py). So they are right or absent, never stale.

local CHUNK_GAMES, RECORD_BYTES, GAME_BYTES = 4096, 12, 28
local BUCKET_SECONDS = 600
local FIRST_CONDITION_KEY, KEYS_PER_CONDITION = 10, 4
local MOST_WALKED = 8 -- chunks: some milliseconds
local CLOSED_KEPT, LONGEST_KEPT, EVENTS_KEPT, CHANGES_TOLD = 1000, 10, 4096, 20

local epoch = redis.call('GET', KEYS[2])
if not epoch then return {'no view', 0, 0, 0, 0, 0, 0} end
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return {'overtaken', 0, 0, 0, 0, 0, 0} end

local function text(number) return string.format('%d', number) end

-- The ledger ------------------------------------------------------------------------------------------------------

local function chunk_of(id) return math.floor(id / CHUNK_GAMES) end
local function chunk_key(chunk) return ARGV[3] .. text(chunk) end

local function read_game(id)
  local offset = (id % CHUNK_GAMES) * RECORD_BYTES
  local record = redis.call('GETRANGE', chunk_key(chunk_of(id)), offset, offset + RECORD_BYTES - 1)
  if #record < RECORD_BYTES then return 0, 0 end
  local crash, end_ms = struct.unpack('>I6I6', record)
  return crash, end_ms
end

-- Games of a batch are mostly neighbours: what the ledger held of a chunk is read at once, and neighbours are written at
-- once.
local spans = {} -- chunk -> first and last index that the batch names, and the ledger's bytes from one to the other

local function read_before(id)
  local span = spans[chunk_of(id)]
  if not span.data then
    span.data = redis.call('GETRANGE', chunk_key(chunk_of(id)), span.first * RECORD_BYTES,
                           (span.last + 1) * RECORD_BYTES - 1)
  end
  local at = (id % CHUNK_GAMES - span.first) * RECORD_BYTES
  if #span.data < at + RECORD_BYTES then return 0, 0 end
  local crash, end_ms = struct.unpack('>I6I6', span.data, at + 1)
  return crash, end_ms
end

local function write_games(written)
  local from = 1
  while from <= #written do
    local to, records = from, {written[from][2]}
    while to < #written and written[to + 1][1] == written[to][1] + 1
          and chunk_of(written[to + 1][1]) == chunk_of(written[from][1]) do
      to = to + 1
      records[#records + 1] = written[to][2]
    end
    local id = written[from][1]
    redis.call('SETRANGE', chunk_key(chunk_of(id)), (id % CHUNK_GAMES) * RECORD_BYTES, table.concat(records))
    from = to + 1
  end
end

-- The nearest game at `id` or beyond it in direction `step` (1 or -1) whose crash point is in [low, high]; nil, true
-- where the chunks that a script may walk do not hold one and others are left.
local function find_game(id, step, low, high)
  local numbers = {}
  for _, number in ipairs(redis.call('HKEYS', KEYS[6])) do numbers[#numbers + 1] = tonumber(number) end
  table.sort(numbers, function(a, b) if step > 0 then return a < b end return a > b end)
  local walked = 0
  for _, chunk in ipairs(numbers) do
    if (chunk - chunk_of(id)) * step >= 0 then
      if walked == MOST_WALKED then return nil, true end
      walked = walked + 1
      local data = redis.call('GET', chunk_key(chunk)) or ''
      local count = math.floor(#data / RECORD_BYTES)
      local from = step > 0 and 0 or count - 1
      if chunk == chunk_of(id) then
        local at = id % CHUNK_GAMES
        from = step > 0 and at or math.min(at, count - 1)
      end
      for i = from, step > 0 and count - 1 or 0, step do
        local crash = struct.unpack('>I6', data, i * RECORD_BYTES + 1)
        if crash ~= 0 and crash >= low and crash <= high then return chunk * CHUNK_GAMES + i end
      end
    end
  end
  return nil, false
end

-- What the batch changes, summed before anything but the ledger is written ------------------------------------------

local conditions, parts = {}, {KEYS[5]}
for i = 1, #ARGV[4] / RECORD_BYTES do
  local low, high = struct.unpack('>I6I6', ARGV[4], (i - 1) * RECORD_BYTES + 1)
  local key = FIRST_CONDITION_KEY + KEYS_PER_CONDITION * (i - 1)
  conditions[i] = {low = low, high = high, counts = 0, buckets = {}, touched = false, key = KEYS[key],
                   intervals = KEYS[key + 1], closed = KEYS[key + 2], longest = KEYS[key + 3]}
  parts[i + 1] = KEYS[key]
end
if redis.call('HGET', KEYS[5], 'conditions') ~= ARGV[6] then return {'no view', 0, 0, 0, 0, 0, 0} end
if redis.call('EXISTS', unpack(parts)) < #parts then return {'no view', 0, 0, 0, 0, 0, 0} end

-- A chunk that the index names and that is not there, or the other way round, cannot be counted on.
for i = 1, #ARGV[5] / GAME_BYTES do
  local id = struct.unpack('>I8', ARGV[5], (i - 1) * GAME_BYTES + 1)
  local chunk, index = chunk_of(id), id % CHUNK_GAMES
  if spans[chunk] then
    spans[chunk].last = index
  else
    spans[chunk] = {first = index, last = index}
    if redis.call('HEXISTS', KEYS[6], text(chunk)) ~= redis.call('EXISTS', chunk_key(chunk)) then
      return {'no view', 0, 0, 0, 0, 0, 0}
    end
  end
end

local state = redis.call('HMGET', KEYS[5], 'games', 'first', 'head', 'floor', 'bucket_floor')
local games = tonumber(state[1]) or 0
local first, head = tonumber(state[2]), tonumber(state[3])
local floor, bucket_floor = tonumber(state[4]) or 0, tonumber(state[5]) or 0
local first_left, head_left = false, false

local all_buckets, chunks = {}, {}
local new, corrected, removed, unchanged, below = 0, 0, 0, 0, 0

local function bucket_of(end_ms)
  if end_ms == 0 then return nil end
  local bucket = math.floor(end_ms / 1000 / BUCKET_SECONDS) * BUCKET_SECONDS
  if bucket < bucket_floor then return nil end
  return bucket
end

local function add(buckets, bucket, by)
  if bucket then buckets[bucket] = (buckets[bucket] or 0) + by end
end

local function chunk_facts(chunk)
  local facts = chunks[chunk]
  if not facts then
    local known = redis.call('HGET', KEYS[6], text(chunk))
    local count, timed, min_ms, max_ms = string.match(known or '0 0 0 0', '(%d+) (%d+) (%d+) (%d+)')
    facts = {games = tonumber(count), timed = tonumber(timed), min = tonumber(min_ms), max = tonumber(max_ms)}
    chunks[chunk] = facts
  end
  return facts
end

-- Series: maximal runs of games that do not meet the condition. ------------------------------------------------------
-- Per condition six numbers: start, end and length of the newest run (0 0 0: none yet), the game that closed it (0: it
-- is open), the games in a row that meet the condition since, and how many runs came before.

local names = {}
for name in string.gmatch(ARGV[6], '%S+') do names[#names + 1] = name end
if #names > 0 then
  for i, known in ipairs(redis.call('HMGET', KEYS[8], unpack(names))) do
    if known then
      local from, to, length, closer, streak, before = string.match(known, '(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)')
      local condition = conditions[i]
      condition.run = {from = tonumber(from), to = tonumber(to), length = tonumber(length), closer = tonumber(closer),
                       streak = tonumber(streak), before = tonumber(before)}
      condition.ends, condition.lengths = {}, {}
    end
  end
end

local function end_run(condition, run)
  local row = string.format('%016d %d %d %d %d', run.from, run.to, run.length, run.closer, run.streak)
  table.insert(condition.ends, text(run.to))
  table.insert(condition.ends, row)
  if not condition.shortest then -- of the ten longest; 0 while they are fewer
    local shortest = redis.call('ZRANGE', condition.longest, -LONGEST_KEPT, -LONGEST_KEPT, 'WITHSCORES')
    condition.shortest = tonumber(shortest[2]) or 0
  end
  if run.length >= condition.shortest then
    table.insert(condition.lengths, text(run.length))
    table.insert(condition.lengths, row)
  end
  run.before = run.before + 1
end

local function append_to_run(condition, run, id, met)
  condition.appended = true
  if met then
    if run.length > 0 and run.streak == 0 then run.closer = id end
    run.streak = run.streak + 1
  elseif run.length > 0 and run.streak == 0 then
    run.to, run.length = id, run.length + 1
  else
    if run.length > 0 then end_run(condition, run) end
    run.from, run.to, run.length, run.closer, run.streak = id, id, 1, 0, 0
  end
end

-- One game, old values -> new values; a crash point of 0 is no game -----------------------------------------------------

local function count_in_chunk(id, end_ms, by)
  games = games + by
  local facts = chunk_facts(chunk_of(id))
  facts.games = facts.games + by
  if end_ms ~= 0 then
    facts.timed = facts.timed + by
    if by > 0 then
      facts.min = facts.min == 0 and end_ms or math.min(facts.min, end_ms)
      facts.max = math.max(facts.max, end_ms)
    end
  end
end

-- Widen or give up a condition's first and last game as this game comes to meet it or no longer does.
local function move_extremes(condition, id, meets)
  if not condition.loaded then
    local known = redis.call('HMGET', condition.key, 'first_game', 'last_game', 'count')
    condition.count = tonumber(known[3]) or 0
    condition.first, condition.last, condition.loaded = tonumber(known[1]), tonumber(known[2]), true
    condition.known_first, condition.known_last = condition.first, condition.last
  end
  if meets then
    condition.first = math.min(condition.first or id, id)
    condition.last = math.max(condition.last or id, id)
  else
    if id == condition.first then condition.first_left = true end
    if id == condition.last then condition.last_left = true end
  end
end

local function change_game(id, old_crash, old_end_ms, crash, end_ms)
  if old_crash ~= 0 then count_in_chunk(id, old_end_ms, -1) end
  if crash ~= 0 then count_in_chunk(id, end_ms, 1) end
  local old_bucket, bucket = old_crash ~= 0 and bucket_of(old_end_ms), crash ~= 0 and bucket_of(end_ms)
  add(all_buckets, old_bucket, -1)
  add(all_buckets, bucket, 1)
  local follows = old_crash == 0 and (not head or id > head)
  for _, condition in ipairs(conditions) do
    local low, high = condition.low, condition.high
    local met = old_crash ~= 0 and old_crash >= low and old_crash <= high
    local meets = crash ~= 0 and crash >= low and crash <= high
    if met then
      condition.counts = condition.counts - 1
      add(condition.buckets, old_bucket, -1)
    end
    if meets then
      condition.counts = condition.counts + 1
      add(condition.buckets, bucket, 1)
    end
    if met or meets then
      condition.touched = true
      move_extremes(condition, id, meets)
    end
    local run = condition.run
    if run and follows then
      append_to_run(condition, run, id, meets)
    elseif run and (old_crash == 0 or crash == 0 or met ~= meets) then -- others follow this game
      condition.broken, condition.run = true, nil
    end
  end
end

-- The batch ---------------------------------------------------------------------------------------------------------

local ids, sequences, changes, changed, written = {}, {}, {}, {}, {}
for i = 1, #ARGV[5] / GAME_BYTES do
  local id, sequence, crash, end_ms = struct.unpack('>I8I8I6I6', ARGV[5], (i - 1) * GAME_BYTES + 1)
  ids[i], sequences[i] = text(id), sequence
  if id < floor then
    below = below + 1
  else
    local old_crash, old_end_ms = read_before(id)
    if old_crash == crash and (crash == 0 or old_end_ms == end_ms) then
      unchanged = unchanged + 1
    else
      if crash == 0 then end_ms = 0 end
      written[#written + 1] = {id, struct.pack('>I6I6', crash, end_ms)}
      change_game(id, old_crash, old_end_ms, crash, end_ms)
      local change = old_crash == 0 and 'new' or crash == 0 and 'removed' or 'corrected'
      changes[#changes + 1] = {id, crash, end_ms, change}
      changed[id] = true
      if crash == 0 then
        removed = removed + 1
        if id == head then head_left = true end
        if id == first then first_left = true end
      else
        if old_crash == 0 then new = new + 1 else corrected = corrected + 1 end
        head, first = math.max(head or id, id), math.min(first or id, id)
      end
    end
  end
end

write_games(written)

-- An id that was marked again since its row was read stays pending.
if #ids > 0 then
  local done = {}
  for i, known in ipairs(redis.call('ZMSCORE', KEYS[4], unpack(ids))) do
    if known and tonumber(known) == sequences[i] then done[#done + 1] = ids[i] end
  end
  if #done > 0 then redis.call('ZREM', KEYS[4], unpack(done)) end
end

if below > 0 then redis.call('HINCRBY', KEYS[5], 'below', below) end

-- Each cell once (none when nothing changed) -------------------------------------------------------------------------

local function write_buckets(key, buckets)
  for bucket, by in pairs(buckets) do
    local field = 'bucket_' .. text(bucket)
    if by ~= 0 and redis.call('HINCRBY', key, field, by) == 0 then redis.call('HDEL', key, field) end
  end
end

for chunk, facts in pairs(chunks) do
  if facts.games == 0 then
    redis.call('HDEL', KEYS[6], text(chunk))
    redis.call('DEL', chunk_key(chunk))
  else
    if facts.timed == 0 then facts.min, facts.max = 0, 0 end
    redis.call('HSET', KEYS[6], text(chunk), text(facts.games) .. ' ' .. text(facts.timed) .. ' '
               .. text(facts.min) .. ' ' .. text(facts.max))
  end
end
write_buckets(KEYS[7], all_buckets)

-- The fields of the first or last game. What lies below the floor is not in the ledger; no batch has touched it, so what
-- is written of it stands.
local function add_extreme(fields, key, name, id)
  if id and id < floor then return end
  if not id then
    redis.call('HDEL', key, name, name .. '_time')
    return
  end
  local _, end_ms = read_game(id)
  local n = #fields
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] = name, text(id), name .. '_time', text(end_ms)
end

-- The last game that is left may lie below the floor, or far away in the ledger: a rebuild finds it.
local lost_below = false

local total = text(games)
for _, condition in ipairs(conditions) do
  local key = condition.key
  local fields = {'total_games', total}
  if condition.touched then
    fields[3], fields[4] = 'count', text(condition.count + condition.counts)
    -- What left may have been outlived by what came: every game outside first .. last still does not meet it.
    if condition.first_left then
      local found, far = find_game(condition.first, 1, condition.low, condition.high)
      condition.first, lost_below = found, lost_below or far
    end
    if condition.last_left then
      local found, far = find_game(condition.last, -1, condition.low, condition.high)
      condition.last, lost_below = found, lost_below or far or (not found and floor > 0)
    end
    if condition.first ~= condition.known_first or changed[condition.first] then
      add_extreme(fields, key, 'first_game', condition.first)
    end
    if condition.last ~= condition.known_last or changed[condition.last] then
      add_extreme(fields, key, 'last_game', condition.last)
    end
    write_buckets(condition.intervals, condition.buckets)
  end
  redis.call('HSET', key, unpack(fields))
end

local runs = {}
for i, condition in ipairs(conditions) do
  local run = condition.run
  if condition.broken then
    redis.call('HDEL', KEYS[8], names[i])
    redis.call('DEL', condition.closed, condition.longest)
  elseif condition.appended then
    runs[#runs + 1] = names[i]
    runs[#runs + 1] = string.format('%d %d %d %d %d %d', run.from, run.to, run.length, run.closer,
                                    run.streak, run.before)
    if #condition.ends > 0 then
      redis.call('ZADD', condition.closed, unpack(condition.ends))
      redis.call('ZREMRANGEBYRANK', condition.closed, 0, -CLOSED_KEPT - 1)
    end
    if #condition.lengths > 0 then
      redis.call('ZADD', condition.longest, unpack(condition.lengths))
      redis.call('ZREMRANGEBYRANK', condition.longest, 0, -LONGEST_KEPT - 1)
    end
  end
end
if #runs > 0 then redis.call('HSET', KEYS[8], unpack(runs)) end

if first_left then
  local found, far = find_game(first, 1, 1, math.huge)
  first, lost_below = found, lost_below or far
end
if head_left then
  local found, far = find_game(head, -1, 1, math.huge)
  head, lost_below = found, lost_below or far or (not found and floor > 0)
end
if lost_below then redis.call('HINCRBY', KEYS[5], 'below', 1) end
local fields = {'games', text(games)}
add_extreme(fields, KEYS[5], 'head', head)
add_extreme(fields, KEYS[5], 'first', first)
redis.call('HSET', KEYS[5], unpack(fields))

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local version = math.max((tonumber(redis.call('GET', KEYS[1])) or 0) + 1, now_ms)
redis.call('SET', KEYS[1], text(version))
redis.call('PUBLISH', ARGV[2], '{"namespace":"analytics","version":' .. text(version) .. ',"head":'
           .. (head and text(head) or 'null') .. ',"games":' .. text(games) .. '}')

-- Of a large batch the newest games are told; `omitted` says how many are not.
local told_from, told = math.max(1, #changes - CHANGES_TOLD + 1), {}
for i = told_from, #changes do
  told[#told + 1] = string.format('{"game_id":%d,"crash_hundredths":%d,"end_ms":%d,"change":"%s"}',
                                  unpack(changes[i]))
end
local event = string.format(
  '{"epoch":"%s","version":%d,"at_ms":%d,"head":%s,"games":%d,"new":%d,"corrected":%d,"removed":%d,'
  .. '"omitted":%d,"changes":[%s]}', epoch, version, now_ms, head and text(head) or 'null', games, new, corrected,
  removed, told_from - 1, table.concat(told, ','))
local id = text(version) .. '-0'
if redis.pcall('XADD', KEYS[9], 'MAXLEN', '~', EVENTS_KEPT, id, 'event', event).err then
  redis.call('DEL', KEYS[9]) -- its last id is above a version that was lost: the history begins anew
  redis.call('XADD', KEYS[9], id, 'event', event)
end
return {'applied', version, new, corrected, removed, unchanged, below}
