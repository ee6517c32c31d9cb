-- Add one process's counts to the most asked URLs: Space-Saving (Metwally, Agrawal, El Abbadi 2005), with counts that fade.
-- A newcomer takes the place of the least asked and goes on from its score: who is asked often cannot be kept out by
-- those who were, and nobody who is asked more than 1 / bound of all leaves. O(batch * log bound). Atomic: one script, one key.
-- KEYS[1]  asked       zset, member = URL and zone (cachecore.maintenance.usage), score = how often, fading; family ASKED
-- ARGV[1]  bound       members at most
-- ARGV[2]  counts      JSON list of [member, count], the most asked first
-- Returns  members now
-- Writes   KEYS[1]; a batch sent again because its reply was lost counts twice, which an estimate may

local bound = tonumber(ARGV[1])
for _, counted in ipairs(cjson.decode(ARGV[2])) do
  local member, score = counted[1], counted[2]
  if not redis.call('ZSCORE', KEYS[1], member) and redis.call('ZCARD', KEYS[1]) >= bound then
    score = score + redis.call('ZPOPMIN', KEYS[1])[2]
  end
  redis.call('ZINCRBY', KEYS[1], score, member)
end
return redis.call('ZCARD', KEYS[1])
