-- Add to a counter; a new one gets its TTL in the same step. O(1). Atomic: one key.
-- KEYS[1]  counter   string, an integer
-- ARGV[1]  amount    may be negative
-- ARGV[2]  ttl_ms    given once, when the counter is made
-- Returns  the new count; an error where a value of another kind stands
-- Writes   KEYS[1], PEXPIRE in the same script
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return count
