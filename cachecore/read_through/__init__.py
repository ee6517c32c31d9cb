"""Read-through: return the cached value, or compute it once over all threads, tasks and processes."""
