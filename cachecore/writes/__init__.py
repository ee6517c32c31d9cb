"""Changing values: storing, invalidating, and what waits for a commit or for Redis to be back."""
