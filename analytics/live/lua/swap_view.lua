-- Replace the live view by one that was built under staging keys. Atomic: readers see the old view or the new one.
-- KEYS[1]  version  string; family VERSION
-- KEYS[2]  epoch    string; family EPOCH
-- KEYS[3]  writer   string, the newest writer's fencing token; family WRITER
-- KEYS[4]  events   stream; family EVENTS
-- KEYS[5 .. 4+d]    the keys to remove: those of the old view and of abandoned builds
-- KEYS[5+d ..]      pairs: staging key, live key. A staging key that does not exist (an empty hash) is skipped
-- ARGV[1]  token    the caller's fencing token
-- ARGV[2]  channel  receives the message about the new version
-- ARGV[3]  epoch    the new epoch
-- ARGV[4]  d        the number of keys to remove
-- Returns  {status, version}; status is "swapped", or "overtaken" if a newer writer has taken over: then nothing was
--          written
-- Writes   all keys; removes the TTL of the staging keys. A new history of events with one entry '{"reset":true,..}',
--          its id <version>-0. PUBLISH channel '{"namespace":..,"version":..,"epoch":..}'
-- A repeated call changes nothing: it finds its epoch in place.
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
