"""The live stream. docs/stream.md"""

from config.env import whole

# Streams a process holds. Its server must take as many connections and those of other requests: `--backpressure` in
# the Procfile; and the process have as many file descriptors (it asks for them itself, as far as it may).
STREAM_MAX_CONNECTIONS = whole("STREAM_MAX_CONNECTIONS", 10_000, least=1)
STREAM_MAX_PER_ADDRESS = whole("STREAM_MAX_PER_ADDRESS", 100, least=1)
