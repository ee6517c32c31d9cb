"""Single flight: within a process one caller computes a key, and the others wait for its result on a local future.

A caller that joins may use the result only if the flight began after its own call: such a flight has read every
invalidation made before the call. After an earlier flight it reads again.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

from cachecore.storage.envelope import Payload

MAX_CONCURRENT_READS = 8  # of one key by the threads of a process; any further caller joins a flight and one reads


class FlightResult(NamedTuple):
    """The result of a flight: a value, the factory's error, or (neither of them) an abandoned flight."""

    payload: Payload | None = None
    error: Exception | None = None
    computed: bool = True  # False: the leader found the value in Redis

    @property
    def finished(self) -> bool:
        return self.payload is not None or self.error is not None

    def payload_or_raise(self) -> Payload:
        """Return the value or raise the factory's error. Call it only if `finished`."""
        if self.error is not None:
            raise self.error
        if self.payload is None:
            raise AssertionError("An abandoned flight has no result.")
        return self.payload


@dataclass(slots=True, eq=False)
class Flight:
    """One computation in progress. `value_missing`: there is no stale value to serve to the others meanwhile."""

    key: str
    tags: tuple[str, ...]
    value_missing: bool
    started: float
    future: "Future[FlightResult]" = field(default_factory=Future)


class Flights:
    """The flights of a process, by key."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._by_key: dict[str, Flight] = {}
        self._readers: dict[str, int] = {}

    def should_join_first(self, key: str) -> bool:
        """Return True if a caller should join a flight before it reads from Redis.

        Either the value is known to be missing there, or many threads are reading it at this moment.
        """
        flight = self._by_key.get(key)
        return (flight is not None and flight.value_missing) or self._readers.get(key, 0) >= MAX_CONCURRENT_READS

    @contextmanager
    def reading(self, key: str) -> Iterator[None]:
        """Count this caller as a reader of the key within the block."""
        with self._lock:
            self._readers[key] = self._readers.get(key, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                remaining = self._readers[key] - 1
                if remaining:
                    self._readers[key] = remaining
                else:
                    del self._readers[key]

    def join_or_lead(self, key: str, tags: tuple[str, ...], *, value_missing: bool) -> tuple[Flight, bool]:
        """Return the flight of a key, and True if the caller leads it. A leader must call `finish`."""
        with self._lock:
            flight = self._by_key.get(key)
            if flight is not None:
                return flight, False
            flight = self._by_key[key] = Flight(key, tags, value_missing, self._monotonic())
            return flight, True

    def finish(self, flight: Flight, result: FlightResult) -> None:
        """End a flight and wake the callers that joined it."""
        with self._lock:
            if self._by_key.get(flight.key) is flight:
                del self._by_key[flight.key]
        flight.future.set_result(result)

    def detach(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """Remove the flights of invalidated keys and tags: later callers start a new one and do not wait for the old.

        Callers that have joined already still get the result of the old flight.
        """
        key_set, tag_set = set(keys), set(tags)
        with self._lock:
            invalidated = [
                key for key, flight in self._by_key.items() if key in key_set or not tag_set.isdisjoint(flight.tags)
            ]
            for key in invalidated:
                del self._by_key[key]

    def detach_all(self) -> None:
        """Remove all flights as `detach` does."""
        with self._lock:
            self._by_key.clear()


# The keys whose factories are running around this code. A factory that reads its own key must not wait for itself.
running_factories: ContextVar[frozenset[str]] = ContextVar("running_factories", default=frozenset())
