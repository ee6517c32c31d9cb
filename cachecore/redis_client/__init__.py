"""Redis by role: one connection, breaker, pool and thin read path for the cache, one for the state."""
