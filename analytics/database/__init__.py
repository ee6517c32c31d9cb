"""The database fallback: the games table supplies what the live view would, for any window, condition and time."""
