-- Apply retention: drop whole ledger chunks below an id, and interval buckets before a time.
-- O(chunks + buckets between the old limit and the new one). An hourly run drops a handful and searches for none.
-- Atomic: one script, one slot.
-- KEYS[1]  writer   string, the newest writer's fencing token; family WRITER
-- KEYS[2]  state    hash; family STATE
-- KEYS[3]  chunks   hash; family CHUNKS
-- KEYS[4 ..]        intervals hashes, `all` among them; family INTERVALS
-- ARGV[1]  token    the caller's fencing token
-- ARGV[2]  ledger   prefix of the chunk keys
-- ARGV[3]  floor    the oldest game id to retain in the ledger, a multiple of the chunk size; never lowered
-- ARGV[4]  bucket   the oldest bucket to retain, unix s; never lowered
-- Returns  {status, chunks dropped, buckets dropped}; status is "trimmed", or "overtaken" if a newer writer has taken
--          over: then nothing was written
-- Writes   KEYS[2 ..], chunk keys. The version stays, because no result changes: queries for dropped games are answered
--          from the table.
local CHUNK_GAMES, BUCKET_SECONDS = 4096, 600
local MAX_GENERATED_FIELDS, FIELDS_PER_CALL = 20000, 1000
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'overtaken', 0, 0} end

local stored = redis.call('HMGET', KEYS[2], 'floor', 'bucket_floor')
local floor = math.max(tonumber(stored[1]) or 0, tonumber(ARGV[3]))
local old_bucket_floor = tonumber(stored[2]) or 0
local bucket_floor = math.max(old_bucket_floor, tonumber(ARGV[4]))
redis.call('HSET', KEYS[2], 'floor', string.format('%d', floor), 'bucket_floor', string.format('%d', bucket_floor))

local chunks, buckets = 0, 0
local below_end = tonumber(redis.call('HGET', KEYS[2], 'below_end')) or 0
for _, chunk in ipairs(redis.call('HKEYS', KEYS[3])) do
  if tonumber(chunk) * CHUNK_GAMES < floor then
    local newest_end = string.match(redis.call('HGET', KEYS[3], chunk), '(%d+)$')
    below_end = math.max(below_end, tonumber(newest_end))
    redis.call('DEL', ARGV[2] .. chunk)
    redis.call('HDEL', KEYS[3], chunk)
    chunks = chunks + 1
  end
end
redis.call('HSET', KEYS[2], 'below_end', string.format('%d', below_end))

-- No bucket exists below the old limit, because the other scripts write none there. So the names of the buckets to drop
-- are generated. If the old limit was 0 (the first retention of a view that retained everything), these would be too
-- many names, and the existing fields are listed instead.
local function old_fields(key)
  local fields = {}
  if (bucket_floor - old_bucket_floor) / BUCKET_SECONDS > MAX_GENERATED_FIELDS then
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if tonumber(string.match(field, '%d+')) < bucket_floor then fields[#fields + 1] = field end
    end
  else
    for bucket = old_bucket_floor, bucket_floor - BUCKET_SECONDS, BUCKET_SECONDS do
      fields[#fields + 1] = string.format('bucket_%d', bucket)
    end
  end
  return fields
end

for i = 4, #KEYS do
  local fields = old_fields(KEYS[i])
  for from = 1, #fields, FIELDS_PER_CALL do
    buckets = buckets + redis.call('HDEL', KEYS[i], unpack(fields, from, math.min(from + FIELDS_PER_CALL - 1, #fields)))
  end
end
return {'trimmed', chunks, buckets}
