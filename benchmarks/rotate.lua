-- wrk: request the paths given after `--` in turn, over all connections.

local requests = {}
local last = 0

function init(paths)
  for number, path in ipairs(paths) do
    requests[number] = wrk.format("GET", path)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end
