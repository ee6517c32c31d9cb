-- Read the versions of tags; a missing one is created. O(tags). Atomic: one script.
-- KEYS[1..]  tag versions   string, 8 random bytes; family TAG_VERSION
-- ARGV[1]    ttl_ms         the versions' TTL, longer than any value's; renewed here
-- ARGV[2..]  new            a random version per tag, used if it has none
-- Returns    the versions, in the order of KEYS
-- Writes     the KEYS that have no version; PEXPIRE of the others
local versions = {}
for i = 1, #KEYS do
  versions[i] = redis.call('GET', KEYS[i])
  if versions[i] then
    redis.call('PEXPIRE', KEYS[i], ARGV[1])
  else
    versions[i] = ARGV[i + 1]
    redis.call('SET', KEYS[i], versions[i], 'PX', ARGV[1])
  end
end
return versions
