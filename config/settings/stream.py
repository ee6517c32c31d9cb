"""The live stream. docs/stream.md"""

from config.env import env

# Streams a process holds. Its server must take as many connections and those of other requests: `--backpressure` in
# the Procfile; and the process have as many file descriptors (it asks for them itself, as far as it may).
STREAM_MAX_CONNECTIONS = env.int("STREAM_MAX_CONNECTIONS", default=10_000)
STREAM_MAX_PER_ADDRESS = env.int("STREAM_MAX_PER_ADDRESS", default=100)
