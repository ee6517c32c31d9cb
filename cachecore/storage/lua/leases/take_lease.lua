-- Take the lease on a missing, expired or invalidated value. O(tags). Atomic: one script.
-- KEYS[1]    value          string, an envelope; cachecore/storage/envelope.py
-- KEYS[2]    lease          string, token .. the tags' versions; family LEASE
-- KEYS[3]    latch          list that waiters block on; family LATCH
-- KEYS[4..]  tag versions   string, 8 random bytes; family TAG_VERSION
-- ARGV[1]    token          16 random bytes
-- ARGV[2]    lease_ms       TTL of the lease: a holder that died delays the others no longer
-- ARGV[3]    header         the first bytes of the value that the caller has read, '' for none
-- ARGV[4]    header_bytes   their number
-- ARGV[5]    tag_ttl_ms     TTL of the versions of the tags; renewed here
-- ARGV[6..]  new            a random version for each tag, used if it has none
-- Returns    {0, pttl_ms}           another caller holds the lease
--            {1, version, ...}      taken; the versions of the tags before the factory runs
--            {2}                    the value has changed: read it again
-- Writes     KEYS[2] with its TTL, DEL KEYS[3], tag versions with their TTL
-- A lease under older versions is replaced at once, because its holder cannot store. A call that is repeated because
-- its reply was lost gets the same reply.
if redis.call('GETRANGE', KEYS[1], 0, ARGV[4] - 1) ~= ARGV[3] then
  return {2}
end
local reply = {1}
local stamp = ''
for i = 4, #KEYS do
  local version = redis.call('GET', KEYS[i])
  if version then
    redis.call('PEXPIRE', KEYS[i], ARGV[5])
  else
    version = ARGV[i + 2]
    redis.call('SET', KEYS[i], version, 'PX', ARGV[5])
  end
  reply[i - 2] = version
  stamp = stamp .. version
end
local held = redis.call('GET', KEYS[2])
if held and held ~= ARGV[1] .. stamp and string.sub(held, #ARGV[1] + 1) == stamp then
  return {0, redis.call('PTTL', KEYS[2])}
end
redis.call('SET', KEYS[2], ARGV[1] .. stamp, 'PX', ARGV[2])
redis.call('DEL', KEYS[3])
return reply
