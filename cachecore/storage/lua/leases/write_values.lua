-- Write or delete values unconditionally. End any leases on them, so that their holders cannot store. O(values).
-- Atomic: one script.
-- KEYS[3n+1]   value      string, an envelope or a counter
-- KEYS[3n+2]   lease      string; family LEASE
-- KEYS[3n+3]   latch      list that waiters block on; family LATCH
-- ARGV[1]      latch_ms   TTL of a latch
-- ARGV[2n+2]   envelope   '' to delete the value
-- ARGV[2n+3]   ttl_ms     of the value
-- Returns      how many of the values existed before
-- Writes       the values with their TTLs; DEL of the leases; for each lease that existed a latch with its TTL
local existed = 0
for n = 0, #KEYS / 3 - 1 do
  local value, lease, latch = KEYS[3 * n + 1], KEYS[3 * n + 2], KEYS[3 * n + 3]
  existed = existed + redis.call('EXISTS', value)
  if ARGV[2 * n + 2] == '' then
    redis.call('DEL', value)
  else
    redis.call('SET', value, ARGV[2 * n + 2], 'PX', ARGV[2 * n + 3])
  end
  if redis.call('DEL', lease) == 1 then
    redis.call('DEL', latch)
    redis.call('RPUSH', latch, 1)
    redis.call('PEXPIRE', latch, ARGV[1])
  end
end
return existed
