"""The live stream. docs/stream.md"""

from config.env import integer

# The most streams per process. The server must accept as many connections, plus those of other requests
# (`--backpressure` in the Procfile). The process raises its limit of file descriptors itself, as far as it is allowed.
STREAM_MAX_CONNECTIONS = integer("STREAM_MAX_CONNECTIONS", 10_000, minimum=1)
STREAM_MAX_PER_ADDRESS = integer("STREAM_MAX_PER_ADDRESS", 100, minimum=1)
