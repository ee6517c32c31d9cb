-- Take one slot of a sliding window counter and look at the window. O(1). Atomic: one script, one slot.
-- Behind the functions acquire and look, which are the `limits` library's own acquire_sliding_window.lua and
-- sliding_window.lua (cachecore/rate_limits/windows.py puts them there): its algorithm, one round trip instead of two.
-- KEYS[1]  previous   string, requests in the window before; family RATE_COUNTER
-- KEYS[2]  current    string, requests in this window; family RATE_COUNTER
-- ARGV[1]  limit      slots per window
-- ARGV[2]  window     seconds
-- Returns  {taken 0|1, previous, previous_pttl, current, current_pttl}   integers; -2 is the PTTL of what is not there
-- Writes   KEYS[1], KEYS[2] with their expiry, two windows at most
local taken = acquire(KEYS, {ARGV[1], ARGV[2], 1})
local seen = look(KEYS, {ARGV[2]})
return {taken and 1 or 0, tonumber(seen[1]) or 0, seen[2], tonumber(seen[3]) or 0, seen[4]}
