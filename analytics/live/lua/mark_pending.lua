-- Mark games to be applied. O(n log pending). Atomic: one script, one slot.
-- KEYS[1]  pending    zset, member = game id, score = sequence number; family PENDING
-- KEYS[2]  sequence   string, the last number given; family SEQUENCE
-- ARGV     game ids
-- Returns  the number of ids now pending
-- Writes   KEYS[1], KEYS[2], no TTL
-- The number rises with every marking: the applier removes an id only while its number is still the one that was
-- read before its row was, so a game that changed meanwhile stays pending.
local sequence = redis.call('INCR', KEYS[2])
for i = 1, #ARGV do
  redis.call('ZADD', KEYS[1], sequence, ARGV[i])
end
return redis.call('ZCARD', KEYS[1])
