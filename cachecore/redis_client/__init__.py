"""Clients of the two Redis roles: a circuit breaker and a pool per role, async clients, a fast path for commands."""
