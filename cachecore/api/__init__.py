"""The monitoring API of the cache, for operators."""
