-- Take one slot of a sliding window counter and read the window. O(1). Atomic: one script, one slot.
-- cachecore/rate_limits/windows.py puts the `limits` library's acquire_sliding_window.lua and sliding_window.lua before this
-- script, as the functions acquire and read_window: the library's algorithm in one round trip instead of two.
-- KEYS[1]  previous   string, requests in the previous window; family RATE_COUNTER
-- KEYS[2]  current    string, requests in this window; family RATE_COUNTER
-- ARGV[1]  limit      slots per window
-- ARGV[2]  window     seconds
-- Returns  {taken 0|1, previous, previous_pttl, current, current_pttl}   integers; the PTTL of a missing key is -2
-- Writes   KEYS[1], KEYS[2] with their expiry, two windows at most
local taken = acquire(KEYS, {ARGV[1], ARGV[2], 1})
local seen = read_window(KEYS, {ARGV[2]})
return {taken and 1 or 0, tonumber(seen[1]) or 0, seen[2], tonumber(seen[3]) or 0, seen[4]}
