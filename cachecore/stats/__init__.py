"""Statistics of the cache: counts and durations, per process and over all processes."""
