-- Take one slot of an exact moving window and read the window. O(limit). Atomic: one script, one key.
-- cachecore/rate_limits/windows.py puts the `limits` library's acquire_moving_window.lua and moving_window.lua before this
-- script, as the functions acquire and read_window: the library's algorithm in one round trip instead of two.
-- KEYS[1]  log        list, unix seconds of the requests let through, newest first; family RATE_LOG
-- ARGV[1]  limit      slots per window
-- ARGV[2]  window     seconds
-- ARGV[3]  now        unix seconds; '' for the server's time, so that the hosts' clocks do not matter
-- Returns  {taken 0|1, used, next_ms}   next_ms: until the oldest request leaves the window, 0 if it is empty
-- Writes   KEYS[1] with its expiry, one window
local limit, window, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local taken = acquire(KEYS, {now, limit, window, 1})
local seen = read_window(KEYS, {now - window, limit})
if not seen then
  return {0, 0, 0}
end
return {taken and 1 or 0, seen[2], math.floor((tonumber(seen[1]) + window - now) * 1000 + 0.5)}
