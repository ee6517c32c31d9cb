"""Monitoring of the cache over HTTP, for administrators."""
