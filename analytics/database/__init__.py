"""The table as the second source: the same answers as from the live view, for any window, condition and time."""
