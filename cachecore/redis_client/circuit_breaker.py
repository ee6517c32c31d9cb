"""A circuit breaker: after a failure no socket is touched for a while, then exactly one caller probes."""

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed until a failure, open for `open_seconds`, then half-open: one caller is let through."""

    def __init__(self, open_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_seconds = open_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._opened_at: float | None = None  # by the last failure
        self._failing_since = 0.0
        self._probing = False

    def allow(self) -> bool:
        """Whether this caller may use the connection; a True in the half-open state is the one probe."""
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
        """The seconds since the first failure, where this ends an outage."""
        if self._opened_at is None:
            return None
        with self._lock:
            was_open = self._opened_at is not None
            self._opened_at, self._probing = None, False
            return self._clock() - self._failing_since if was_open else None

    def record_failure(self) -> bool:
        """Whether this begins an outage."""
        with self._lock:
            began, now = self._opened_at is None, self._clock()
            self._opened_at, self._probing = now, False
            if began:
                self._failing_since = now
            return began

    def release_probe(self) -> None:
        """The caller ended without touching the connection's health: a probe goes to the next one."""
        with self._lock:
            self._probing = False

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._probing else "open"
