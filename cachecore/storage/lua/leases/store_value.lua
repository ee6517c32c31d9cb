-- Store the value that the holder of a lease computed, end the lease and wake the waiters. O(tags).
-- Atomic: one script.
-- KEYS[1]    value          string, an envelope; cachecore/storage/envelope.py
-- KEYS[2]    lease          string; family LEASE
-- KEYS[3]    latch          list that waiters block on; family LATCH
-- KEYS[4..]  tag versions   string; family TAG_VERSION
-- ARGV[1]    lease          the content that the holder wrote into KEYS[2]
-- ARGV[2]    envelope       '' to release the lease without storing
-- ARGV[3]    ttl_ms         of the value
-- ARGV[4]    latch_ms       TTL of the latch
-- ARGV[5..]  versions       of the tags, as in the envelope
-- Returns    1 if stored; 0 if the lease is lost (a delete, a set, its TTL) or a tag was invalidated meanwhile
-- Writes     KEYS[1] with its TTL, DEL KEYS[2], KEYS[3] with its TTL; nothing if the lease is lost
-- Waiters move the element of the latch onto the same list (BLMOVE), so that one element wakes all of them, and later
-- ones too.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
local stored = 0
if ARGV[2] ~= '' then
  stored = 1
  for i = 4, #KEYS do
    if redis.call('GET', KEYS[i]) ~= ARGV[i + 1] then
      stored = 0
    end
  end
end
if stored == 1 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('RPUSH', KEYS[3], 1)
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return stored
