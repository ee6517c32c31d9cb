"""A circuit breaker: after a failure it rejects all calls for a while, then lets exactly one caller probe."""

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed until a failure, then open for `open_seconds`, then half-open: one caller may probe."""

    def __init__(self, open_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_seconds = open_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._opened_at: float | None = None  # the time of the last failure
        self._failing_since = 0.0
        self._probing = False

    def allow(self) -> bool:
        """Return True if the caller may use the connection; while half-open, only to the one caller that probes."""
        if self._opened_at is None:  # the usual case takes no lock
            return True
        with self._lock:
            if self._probing or not self._cooled_down():
                return False
            self._probing = True
            return True

    def _cooled_down(self) -> bool:
        return self._opened_at is None or self._clock() - self._opened_at >= self._open_seconds

    def record_success(self) -> float | None:
        """Close the breaker. Return the length of the outage in seconds if this success ends one, else None."""
        if self._opened_at is None:
            return None
        with self._lock:
            was_open = self._opened_at is not None
            self._opened_at, self._probing = None, False
            return self._clock() - self._failing_since if was_open else None

    def record_failure(self) -> bool:
        """Open the breaker. Return True if this failure begins an outage."""
        with self._lock:
            began, now = self._opened_at is None, self._clock()
            self._opened_at, self._probing = now, False
            if began:
                self._failing_since = now
            return began

    def release_probe(self) -> None:
        """Let the next caller probe: this one ended without showing whether the connection works."""
        with self._lock:
            self._probing = False

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._probing else "open"
