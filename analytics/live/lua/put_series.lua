-- Put in the series of one condition, computed anew. O(rows). Atomic: one script, one slot.
-- KEYS[1]  writer   string, the newest writer's token; family WRITER
-- KEYS[2]  series   hash; family SERIES
-- KEYS[3]  closed   zset; family CLOSED_SERIES
-- KEYS[4]  longest  zset; family LONGEST_SERIES
-- ARGV[1]  token      the caller's writer token: while it is the newest, nothing was applied since the ledger was read
-- ARGV[2]  condition  the field of KEYS[2]
-- ARGV[3]  newest     its value
-- ARGV[4]  n          number of closed series
-- ARGV[5 ..]          member and score of n closed series, then of the longest ones
-- Returns  "put" or "overtaken", then nothing was written
-- Writes   KEYS[2 ..]; no TTL. The version stays: no answer changes, it only costs less
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'overtaken' end

redis.call('DEL', KEYS[3], KEYS[4])
local closed_end = 4 + 2 * tonumber(ARGV[4])
for i = 5, #ARGV, 2 do
  redis.call('ZADD', i <= closed_end and KEYS[3] or KEYS[4], ARGV[i + 1], ARGV[i])
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 'put'
