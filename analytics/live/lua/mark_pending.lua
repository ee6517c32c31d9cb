-- Mark games to be applied. O(n log pending). Atomic: one script, one slot.
-- KEYS[1]  pending    zset, member = game id, score = sequence number; family PENDING
-- KEYS[2]  sequence   string, the last number given, max(number + 1, server time in ms); family SEQUENCE
-- ARGV     game ids, in the order in which they are to be applied
-- Returns  the number of ids now pending
-- Writes   KEYS[1], KEYS[2], no TTL
-- The number rises with every marking: the applier removes an id only while its number is still the one that was
-- read before its row was, so a game that changed meanwhile stays pending.
-- It is also about when the game was marked: the oldest says how far the view is behind.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local first = math.max((tonumber(redis.call('GET', KEYS[2])) or 0) + 1, now_ms)
redis.call('SET', KEYS[2], string.format('%d', first + #ARGV))
for i = 1, #ARGV do
  redis.call('ZADD', KEYS[1], string.format('%d', first + i - 1), ARGV[i])
end
return redis.call('ZCARD', KEYS[1])
