-- Read the view and the changes that led to it. O(entries + one or two chunks). Atomic: one script, one slot.
-- KEYS[1]  version  string; family VERSION
-- KEYS[2]  epoch    string; family EPOCH; absent: there is no view
-- KEYS[3]  state    hash; family STATE
-- KEYS[4]  chunks   hash; family CHUNKS
-- KEYS[5]  events   stream; family EVENTS
-- ARGV[1]  ledger   prefix of the chunk keys. The script derives these keys from the index; they lie in the same slot
-- ARGV[2]  after    the version that the caller has read: return the entries from it on, itself included; '-': from the
--                   oldest on
-- ARGV[3]  entries  the maximal number of entries
-- ARGV[4]  newest   the number of newest games to return
-- Returns  {epoch, version, games, head, newest, entries}, or false if there is no view. head is false if there is no
--          game; newest is {{id, crash point in hundredths, end time in ms} ..}, newest first; entries is {{id, event}
--          ..}. Numbers are text
-- Writes   nothing
local CHUNK_GAMES, RECORD_BYTES = 4096, 12

local epoch, version = redis.call('GET', KEYS[2]), redis.call('GET', KEYS[1])
if not epoch or not version then return false end

local function text(number) return string.format('%.0f', number) end

local numbers = {}
for _, number in ipairs(redis.call('HKEYS', KEYS[4])) do numbers[#numbers + 1] = tonumber(number) end
table.sort(numbers, function(a, b) return a > b end)

local newest, wanted = {}, tonumber(ARGV[4])
for _, chunk in ipairs(numbers) do
  local data = redis.call('GET', ARGV[1] .. text(chunk)) or ''
  for i = math.floor(#data / RECORD_BYTES) - 1, 0, -1 do
    if #newest == wanted then break end
    local crash, end_ms = struct.unpack('>I6I6', data, i * RECORD_BYTES + 1)
    if crash ~= 0 then newest[#newest + 1] = {text(chunk * CHUNK_GAMES + i), text(crash), text(end_ms)} end
  end
  if #newest == wanted then break end
end

local entries = {}
local from = ARGV[2] == '-' and '-' or ARGV[2] .. '-0'
for i, entry in ipairs(redis.call('XRANGE', KEYS[5], from, '+', 'COUNT', ARGV[3])) do
  entries[i] = {entry[1], entry[2][2]}
end
local state = redis.call('HMGET', KEYS[3], 'games', 'head')
return {epoch, version, state[1] or '0', state[2], newest, entries}
