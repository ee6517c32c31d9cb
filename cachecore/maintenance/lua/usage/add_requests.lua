-- Add one process's counts to the most requested URLs: Space-Saving (Metwally, Agrawal, El Abbadi 2005) with decaying counts.
-- A new member replaces the least requested one and starts from its score. So a URL that is requested often enters even a
-- full set, and one with more than 1 / bound of all requests never leaves. O(batch * log bound). Atomic: one script, one key.
-- KEYS[1]  requested   zset, member = URL and zone (cachecore.maintenance.usage), score = decaying count; family REQUESTED_URLS
-- ARGV[1]  bound       maximum number of members
-- ARGV[2]  counts      JSON list of [member, count], the most requested first
-- Returns  the number of members
-- Writes   KEYS[1]; a batch that is sent again because its reply was lost counts twice, which an estimate allows

local bound = tonumber(ARGV[1])
for _, counted in ipairs(cjson.decode(ARGV[2])) do
  local member, score = counted[1], counted[2]
  if not redis.call('ZSCORE', KEYS[1], member) and redis.call('ZCARD', KEYS[1]) >= bound then
    score = score + redis.call('ZPOPMIN', KEYS[1])[2]
  end
  redis.call('ZINCRBY', KEYS[1], score, member)
end
return redis.call('ZCARD', KEYS[1])
