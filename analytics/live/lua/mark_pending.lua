-- Mark games pending. O(n log pending). Atomic: one script, one slot.
-- KEYS[1]  pending    zset, member = game id, score = sequence number; family PENDING
-- KEYS[2]  sequence   string, the last sequence number given; family SEQUENCE
-- ARGV     game ids in the order in which they shall be applied
-- Returns  the number of pending games
-- Writes   KEYS[1], KEYS[2], no TTL
-- A sequence number is max(last number + 1, server time in ms). A game gets a new one whenever it is marked. A writer
-- removes a game only if its number is still the one read before its row was read, so a game that changed in between
-- stays pending. The oldest number is about the time since when the view lacks a change.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local first = math.max((tonumber(redis.call('GET', KEYS[2])) or 0) + 1, now_ms)
redis.call('SET', KEYS[2], string.format('%d', first + #ARGV))
for i = 1, #ARGV do
  redis.call('ZADD', KEYS[1], string.format('%d', first + i - 1), ARGV[i])
end
return redis.call('ZCARD', KEYS[1])
