-- Add to a counter; a new one gets its TTL in the same step. A lease on it loses the right to store. O(1). Atomic.
-- KEYS[1]  counter   string, an integer
-- KEYS[2]  lease     string; family LEASE
-- KEYS[3]  latch     list, what waiters block on; family LATCH
-- ARGV[1]  amount    may be negative
-- ARGV[2]  ttl_ms    given once, when the counter is made
-- ARGV[3]  latch_ms  TTL of the latch
-- Returns  the new count; an error where a value of another kind stands, and then nothing is written
-- Writes   KEYS[1], PEXPIRE in the same script, DEL KEYS[2], KEYS[3] with its TTL where somebody may wait
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
if redis.call('DEL', KEYS[2]) == 1 then
  redis.call('DEL', KEYS[3])
  redis.call('RPUSH', KEYS[3], 1)
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
return count
