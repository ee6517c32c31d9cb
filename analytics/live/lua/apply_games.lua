-- Apply a batch of games to the live view as state transitions (old -> new). Atomic: one script, one slot.
-- Batches in any order and any number of repetitions result in the view that a computation from scratch gives.
--
-- KEYS[1]  version        string; family VERSION
-- KEYS[2]  epoch          string; family EPOCH; absent: there is no view
-- KEYS[3]  writer         string, the newest writer's fencing token; family WRITER
-- KEYS[4]  pending        zset; family PENDING
-- KEYS[5]  state          hash; family STATE
-- KEYS[6]  chunks         hash; family CHUNKS
-- KEYS[7]  intervals:all  hash; family INTERVALS
-- KEYS[8]  series         hash, field = condition; family SERIES
-- KEYS[9]  events         stream; family EVENTS
-- KEYS[10 .. 9+4c]        four per condition: occurrences (family OCCURRENCES), intervals (INTERVALS), closed series
--                         (CLOSED_SERIES), longest series (LONGEST_SERIES)
-- ARGV[1]  token       the caller's fencing token
-- ARGV[2]  channel     receives the message about the new version
-- ARGV[3]  ledger      prefix of the chunk keys. The script derives these keys from the ids; they lie in the same slot
-- ARGV[4]  conditions  12 bytes per condition: the lowest and the highest hundredths that meet it (6 bytes each)
-- ARGV[5]  games       in ascending id order, 28 bytes per game: id (8), sequence number (8), crash point in hundredths
--                      (6; 0 = the game does not exist), end time in ms (6; 0 = unknown)
-- ARGV[6]  names       the conditions' names in the same order, separated by spaces
-- Returns  {status, version, new, corrected, removed, unchanged, below}. status is "applied", "overtaken" (a newer
--          writer has taken over) or "no view" (there is no view for these conditions, or a part of it was lost).
--          Nothing is written unless status is "applied".
-- Writes   KEYS[1], KEYS[4 ..], chunk keys; no TTL. One stream entry with the id <version>-0.
--          PUBLISH channel '{"namespace":..,"version":..,"head":..,"games":..}'
-- Cost     about 60 commands and 0.25 ms for one game with 19 conditions; each cell is written once per batch
--
-- Series depend on the order of the games. Games that follow the newest one are appended in O(1). Any other change that
-- affects a condition removes the condition's series here; the writer recomputes them before it releases its lock
-- (live/series.py). Stored series are therefore always correct.

local CHUNK_GAMES, RECORD_BYTES, GAME_BYTES = 4096, 12, 28
local BUCKET_SECONDS = 600
local FIRST_CONDITION_KEY, KEYS_PER_CONDITION = 10, 4
local MAX_CHUNKS_SEARCHED = 8 -- takes some milliseconds
local MAX_CLOSED_SERIES, MAX_LONGEST_SERIES, MAX_EVENTS, MAX_EVENT_CHANGES = 1000, 10, 4096, 20

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

-- The games of a batch are mostly neighbours. So the old values of a chunk are read with one command, and runs of
-- neighbours are written with one command.
local spans = {} -- chunk -> first and last index in the batch, and the ledger's old bytes from the first to the last

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

-- Find the nearest game whose crash point is in [low, high], from `id` on in direction `step` (1 or -1). Return nil,
-- true if MAX_CHUNKS_SEARCHED chunks hold none and there are more chunks; nil, false if no chunk holds one.
local function find_game(id, step, low, high)
  local numbers = {}
  for _, number in ipairs(redis.call('HKEYS', KEYS[6])) do numbers[#numbers + 1] = tonumber(number) end
  table.sort(numbers, function(a, b) if step > 0 then return a < b end return a > b end)
  local searched = 0
  for _, chunk in ipairs(numbers) do
    if (chunk - chunk_of(id)) * step >= 0 then
      if searched == MAX_CHUNKS_SEARCHED then return nil, true end
      searched = searched + 1
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

-- The changes of the batch, summed up; until then only the ledger is written --------------------------------------

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

-- If the index has a chunk that does not exist, or the other way round, then a part of the view was lost.
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

local function chunk_summary(chunk)
  local summary = chunks[chunk]
  if not summary then
    local stored = redis.call('HGET', KEYS[6], text(chunk))
    local count, timed, min_ms, max_ms = string.match(stored or '0 0 0 0', '(%d+) (%d+) (%d+) (%d+)')
    summary = {games = tonumber(count), timed = tonumber(timed), min = tonumber(min_ms), max = tonumber(max_ms)}
    chunks[chunk] = summary
  end
  return summary
end

-- Series: maximal runs of games that do not meet the condition. ------------------------------------------------------
-- Six numbers per condition: start, end and length of the newest run (0 0 0: none yet), the game that closed it (0: it
-- is open), the number of games in a row that met the condition since, and the number of earlier runs.

local names = {}
for name in string.gmatch(ARGV[6], '%S+') do names[#names + 1] = name end
if #names > 0 then
  for i, stored in ipairs(redis.call('HMGET', KEYS[8], unpack(names))) do
    if stored then
      local from, to, length, closer, streak, before = string.match(stored, '(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)')
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
  if not condition.shortest then -- the shortest of the ten longest runs; 0 while there are fewer than ten
    local shortest = redis.call('ZRANGE', condition.longest, -MAX_LONGEST_SERIES, -MAX_LONGEST_SERIES, 'WITHSCORES')
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

-- One game, old values -> new values; a crash point of 0 means that the game does not exist ---------------------------

local function count_in_chunk(id, end_ms, by)
  games = games + by
  local summary = chunk_summary(chunk_of(id))
  summary.games = summary.games + by
  if end_ms ~= 0 then
    summary.timed = summary.timed + by
    if by > 0 then
      summary.min = summary.min == 0 and end_ms or math.min(summary.min, end_ms)
      summary.max = math.max(summary.max, end_ms)
    end
  end
end

-- Update a condition's first and last game after this game began or ceased to meet it. If the first or last game ceased
-- to meet it, note that another one must be searched.
local function move_extremes(condition, id, meets)
  if not condition.loaded then
    local stored = redis.call('HMGET', condition.key, 'first_game', 'last_game', 'count')
    condition.count = tonumber(stored[3]) or 0
    condition.first, condition.last, condition.loaded = tonumber(stored[1]), tonumber(stored[2]), true
    condition.old_first, condition.old_last = condition.first, condition.last
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
    elseif run and (old_crash == 0 or crash == 0 or met ~= meets) then -- newer games follow this one
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

-- A game that was marked again after its row was read stays pending: its sequence number has changed.
if #ids > 0 then
  local done = {}
  for i, score in ipairs(redis.call('ZMSCORE', KEYS[4], unpack(ids))) do
    if score and tonumber(score) == sequences[i] then done[#done + 1] = ids[i] end
  end
  if #done > 0 then redis.call('ZREM', KEYS[4], unpack(done)) end
end

if below > 0 then redis.call('HINCRBY', KEYS[5], 'below', below) end

-- Write each changed cell once ---------------------------------------------------------------------------------------

local function write_buckets(key, buckets)
  for bucket, by in pairs(buckets) do
    local field = 'bucket_' .. text(bucket)
    if by ~= 0 and redis.call('HINCRBY', key, field, by) == 0 then redis.call('HDEL', key, field) end
  end
end

for chunk, summary in pairs(chunks) do
  if summary.games == 0 then
    redis.call('HDEL', KEYS[6], text(chunk))
    redis.call('DEL', chunk_key(chunk))
  else
    if summary.timed == 0 then summary.min, summary.max = 0, 0 end
    redis.call('HSET', KEYS[6], text(chunk), text(summary.games) .. ' ' .. text(summary.timed) .. ' '
               .. text(summary.min) .. ' ' .. text(summary.max))
  end
end
write_buckets(KEYS[7], all_buckets)

-- Add the fields of the first or last game. A game below the floor is not in the ledger, and no batch can have changed
-- it, so its fields stay as they are.
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

-- True if the new first or last game may lie below the floor or too far away in the ledger. Then a rebuild finds it.
local lost_below = false

local total = text(games)
for _, condition in ipairs(conditions) do
  local key = condition.key
  local fields = {'total_games', total}
  if condition.touched then
    fields[3], fields[4] = 'count', text(condition.count + condition.counts)
    -- The first or last game ceased to meet the condition. Search from there: no game outside first .. last meets it.
    if condition.first_left then
      local found, far = find_game(condition.first, 1, condition.low, condition.high)
      condition.first, lost_below = found, lost_below or far
    end
    if condition.last_left then
      local found, far = find_game(condition.last, -1, condition.low, condition.high)
      condition.last, lost_below = found, lost_below or far or (not found and floor > 0)
    end
    if condition.first ~= condition.old_first or changed[condition.first] then
      add_extreme(fields, key, 'first_game', condition.first)
    end
    if condition.last ~= condition.old_last or changed[condition.last] then
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
      redis.call('ZREMRANGEBYRANK', condition.closed, 0, -MAX_CLOSED_SERIES - 1)
    end
    if #condition.lengths > 0 then
      redis.call('ZADD', condition.longest, unpack(condition.lengths))
      redis.call('ZREMRANGEBYRANK', condition.longest, 0, -MAX_LONGEST_SERIES - 1)
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

-- The event of a large batch has the changes of its newest games only; `omitted` counts the others.
local first_reported, reported = math.max(1, #changes - MAX_EVENT_CHANGES + 1), {}
for i = first_reported, #changes do
  reported[#reported + 1] = string.format('{"game_id":%d,"crash_hundredths":%d,"end_ms":%d,"change":"%s"}',
                                          unpack(changes[i]))
end
local event = string.format(
  '{"epoch":"%s","version":%d,"at_ms":%d,"head":%s,"games":%d,"new":%d,"corrected":%d,"removed":%d,'
  .. '"omitted":%d,"changes":[%s]}', epoch, version, now_ms, head and text(head) or 'null', games, new, corrected,
  removed, first_reported - 1, table.concat(reported, ','))
local id = text(version) .. '-0'
if redis.pcall('XADD', KEYS[9], 'MAXLEN', '~', MAX_EVENTS, id, 'event', event).err then
  redis.call('DEL', KEYS[9]) -- the version was lost and is now below the stream's last id: start a new history
  redis.call('XADD', KEYS[9], id, 'event', event)
end
return {'applied', version, new, corrected, removed, unchanged, below}
