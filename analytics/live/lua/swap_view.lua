-- Swap a view that was built under staging names in for the live one. Atomic: readers see the old or the new one.
-- KEYS[1]  version  string; family VERSION
-- KEYS[2]  epoch    string; family EPOCH
-- KEYS[3]  writer   string, the newest writer's token; family WRITER
-- KEYS[4]  chunks   hash of the live view: its fields name the ledger chunks to remove; family CHUNKS
-- KEYS[5]  events   stream; family EVENTS
-- KEYS[6 .. 5+d]    the other keys of the live view, to be removed
-- KEYS[6+d ..]      pairs: staged key, live key; a staged key that does not exist (an empty hash) is passed over
-- ARGV[1]  token    the caller's writer token
-- ARGV[2]  channel  for the message about the new version
-- ARGV[3]  ledger   prefix of the chunk keys
-- ARGV[4]  epoch    the new epoch
-- ARGV[5]  d        number of keys to be removed
-- Returns  {status, version}; status "swapped" or "overtaken", then nothing was written
-- Writes   all keys; the TTL of staged keys is taken off; the history of events begins anew with one '{"reset":true,..}',
--          its id <version>-0; PUBLISH channel '{"namespace":..,"version":..,"epoch":..}'
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return {'overtaken', 0} end

for _, chunk in ipairs(redis.call('HKEYS', KEYS[4])) do redis.call('DEL', ARGV[3] .. chunk) end
redis.call('DEL', KEYS[4])
local removed = tonumber(ARGV[5])
for i = 6, 5 + removed do redis.call('DEL', KEYS[i]) end
for i = 6 + removed, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    redis.call('PERSIST', KEYS[i + 1])
  end
end
redis.call('SET', KEYS[2], ARGV[4])

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local version = math.max((tonumber(redis.call('GET', KEYS[1])) or 0) + 1, now_ms)
local text = string.format('%.0f', version)
redis.call('SET', KEYS[1], text)
redis.call('PUBLISH', ARGV[2], '{"namespace":"analytics","version":' .. text .. ',"epoch":"' .. ARGV[4] .. '"}')
redis.call('DEL', KEYS[5])
redis.call('XADD', KEYS[5], text .. '-0', 'event',
           '{"epoch":"' .. ARGV[4] .. '","version":' .. text .. ',"at_ms":' .. string.format('%.0f', now_ms) .. ',"reset":true}')
return {'swapped', version}
