-- Replace the stored series of one condition. O(rows). Atomic: one script, one slot.
-- KEYS[1]  writer   string, the newest writer's fencing token; family WRITER
-- KEYS[2]  series   hash; family SERIES
-- KEYS[3]  closed   zset; family CLOSED_SERIES
-- KEYS[4]  longest  zset; family LONGEST_SERIES
-- ARGV[1]  token      the caller's fencing token. While it is the newest, no game was applied since the caller's read
-- ARGV[2]  condition  the field of KEYS[2]
-- ARGV[3]  newest     the value of this field
-- ARGV[4]  n          the number of closed series
-- ARGV[5 ..]          member and score of n closed series, then member and score of the longest ones
-- Returns  "put"; or "overtaken" if a newer writer has taken over: then nothing was written
-- Writes   KEYS[2 ..]; no TTL. The version stays, because results do not change; they only become cheaper to read
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'overtaken' end

redis.call('DEL', KEYS[3], KEYS[4])
local closed_end = 4 + 2 * tonumber(ARGV[4])
for i = 5, #ARGV, 2 do
  redis.call('ZADD', i <= closed_end and KEYS[3] or KEYS[4], ARGV[i + 1], ARGV[i])
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 'put'
