-- Add to a counter; set the TTL of a new one. End any lease on it, so that its holder cannot store. O(1).
-- Atomic: one script.
-- KEYS[1]  counter   string, an integer
-- KEYS[2]  lease     string; family LEASE
-- KEYS[3]  latch     list that waiters block on; family LATCH
-- ARGV[1]  amount    may be negative
-- ARGV[2]  ttl_ms    set when the counter is created, not later
-- ARGV[3]  latch_ms  TTL of the latch
-- Returns  the new count as a text, because Lua would round one above 2^53; an error if the key has a value that is not
--          an integer, and then nothing is written
-- Writes   KEYS[1], PEXPIRE in the same script; if there was a lease: DEL KEYS[2], KEYS[3] with its TTL
redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
if redis.call('DEL', KEYS[2]) == 1 then
  redis.call('DEL', KEYS[3])
  redis.call('RPUSH', KEYS[3], 1)
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
return redis.call('GET', KEYS[1])
