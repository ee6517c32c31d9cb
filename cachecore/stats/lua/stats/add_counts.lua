-- Add one process's batch of counts to the totals, exactly once. O(fields of the batch). Atomic: one script, one slot.
-- KEYS[1]  totals      hash, field = <family>:<measure>, integers; family STATS_TOTALS
-- KEYS[2]  last batch  string, sequence number of the process's last batch; family STATS_BATCH
-- ARGV[1]  sequence    number of this batch, counted by the process from 1
-- ARGV[2]  ttl         TTL of KEYS[2] in seconds
-- ARGV[3]  counts      JSON object, field -> amount (below 2^53)
-- Returns  1 if it was added | 0 if it had been added before, and only its reply was lost
-- Writes   KEYS[1] and its field since_ms (server time of the first batch), KEYS[2] with its expiry

if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then
  return 0
end
for field, amount in pairs(cjson.decode(ARGV[3])) do
  redis.call('HINCRBY', KEYS[1], field, string.format('%.0f', amount))
end
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[1], 'since_ms', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return 1
