"""Exponential backoff."""


class Backoff:
    """Seconds to wait before the next try: `initial`, doubled after each failure in a row, at most `maximum`."""

    def __init__(self, initial: float, maximum: float) -> None:
        self._initial = initial
        self._maximum = maximum
        self.seconds = initial

    def increase(self) -> float:
        """Double the wait after a failure and return it."""
        self.seconds = min(self._maximum, self.seconds * 2)
        return self.seconds

    def reset(self) -> float:
        """Return to the initial wait after a success and return it."""
        self.seconds = self._initial
        return self.seconds
