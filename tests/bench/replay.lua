-- For wrk: sends the request in the file that REQUEST names, byte for byte, and tells what came of it.

local file = assert(io.open(os.getenv("REQUEST"), "rb"))
local request = file:read("*a")
file:close()

-- Taken once, before the first request: wrk calls no Lua while it measures.
wrk.format = function() return request end

done = function(summary)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  local told = '{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d}\n'
  io.write(told:format(summary.requests, summary.duration / 1e6, errors.status, broken))
end
