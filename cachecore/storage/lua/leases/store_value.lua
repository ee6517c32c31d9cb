-- Store what the holder of the lease computed, end the lease and wake the waiters. O(tags). Atomic: one script.
-- KEYS[1]    value          string, an envelope; cachecore/storage/envelope.py
-- KEYS[2]    lease          string; family LEASE
-- KEYS[3]    latch          list, what waiters block on; family LATCH
-- KEYS[4..]  tag versions   string; family TAG_VERSION
-- ARGV[1]    lease          what the holder wrote into KEYS[2]
-- ARGV[2]    envelope       '' to give the lease up without storing
-- ARGV[3]    ttl_ms         of the value
-- ARGV[4]    latch_ms       TTL of the latch
-- ARGV[5..]  versions       of the tags, as the envelope carries them
-- Returns    1 stored, 0 not: the lease is lost (a delete, a set, its time) or a tag was invalidated meanwhile
-- Writes     KEYS[1] with its TTL, DEL KEYS[2], KEYS[3] with its TTL; nothing at all when the lease is lost
-- Two clients serve the latch with BLMOVE onto itself, so its one element wakes all who wait and all who come late.
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
