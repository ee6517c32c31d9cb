"""One value, in Redis and in this process's memory: its encoding, freshness, lease, reading, writing, clearing."""
