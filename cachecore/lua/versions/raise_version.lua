-- Raise a namespace version and publish it to the processes that cache it. O(1). Atomic: one key.
-- KEYS[1]  version   string, the version; family NAMESPACE_VERSION, or an app's own version key
-- ARGV[1]  channel   pub/sub channel for the new version
-- ARGV[2]  name      the namespace's name, for the message
-- Returns  the new version, an integer below 2^53
-- Writes   KEYS[1], no TTL; PUBLISH channel '{"namespace":..,"version":..}'
-- A version is max(version + 1, server time in ms): after a lost or older Redis it never repeats, so an
-- response stored under an old version is never served again.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local version = math.max((tonumber(redis.call('GET', KEYS[1])) or 0) + 1, now_ms)
local text = string.format('%.0f', version)
redis.call('SET', KEYS[1], text)
redis.call('PUBLISH', ARGV[1], '{"namespace":"' .. ARGV[2] .. '","version":' .. text .. '}')
return version
