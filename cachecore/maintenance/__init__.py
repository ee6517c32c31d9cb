"""Maintenance of the cache, by schedule or command: warming by usage, consistency check, generated documentation."""
