-- Swap a view that was built under staging names in for the live one. Atomic: readers see the old or the new one.
-- KEYS[1]  version  string; family VERSION
-- KEYS[2]  epoch    string; family EPOCH
-- KEYS[3]  writer   string, the newest writer's token; family WRITER
-- KEYS[4]  events   stream; family EVENTS
-- KEYS[5 .. 4+d]    the keys of the live view, to be removed
-- KEYS[5+d ..]      pairs: staged key, live key; a staged key that does not exist (an empty hash) is passed over
-- ARGV[1]  token    the caller's writer token
-- ARGV[2]  channel  for the message about the new version
-- ARGV[3]  epoch    the new epoch
-- ARGV[4]  d        number of keys to be removed
-- Returns  {status, version}; status "swapped" or "overtaken", then nothing was written
-- Writes   all keys; the TTL of staged keys is taken off; the history of events begins anew with one '{"reset":true,..}',
--          its id <version>-0; PUBLISH channel '{"namespace":..,"version":..,"epoch":..}'
-- Repeating a call changes nothing: the epoch says that it was done.
if redis.call('GET', KEYS[2]) == ARGV[3] then return {'swapped', tonumber(redis.call('GET', KEYS[1]))} end
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return {'overtaken', 0} end

local removed = tonumber(ARGV[4])
for i = 5, 4 + removed do redis.call('UNLINK', KEYS[i]) end
for i = 5 + removed, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    redis.call('PERSIST', KEYS[i + 1])
  end
end
redis.call('SET', KEYS[2], ARGV[3])

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local version = math.max((tonumber(redis.call('GET', KEYS[1])) or 0) + 1, now_ms)
local text = string.format('%d', version)
redis.call('SET', KEYS[1], text)
redis.call('PUBLISH', ARGV[2], '{"namespace":"analytics","version":' .. text .. ',"epoch":"' .. ARGV[3] .. '"}')
redis.call('DEL', KEYS[4])
redis.call('XADD', KEYS[4], text .. '-0', 'event',
           '{"epoch":"' .. ARGV[3] .. '","version":' .. text .. ',"at_ms":' .. string.format('%d', now_ms) .. ',"reset":true}')
return {'swapped', version}
