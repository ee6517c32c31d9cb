"""One value in Redis and in the process: envelope, encryption, expiry, lease, local cache, writes, clearing."""
