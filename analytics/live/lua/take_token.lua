-- Issue a fencing token: from now on the scripts reject every older one. O(1). Atomic: one script, one key.
-- KEYS[1]  writer   string, the newest writer's fencing token; family WRITER
-- Returns  the token, max(token + 1, server time in ms): higher than every earlier one, even if Redis lost those
-- Writes   KEYS[1], no TTL
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local token = math.max((tonumber(redis.call('GET', KEYS[1])) or 0) + 1, now_ms)
redis.call('SET', KEYS[1], string.format('%d', token))
return token
