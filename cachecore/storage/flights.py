"""Within a process, the callers of one value join: one leads, the others wait for it on a local future.

Who joins may take the leader's result only when the flight began after its own call: whatever was invalidated before
the call, that flight has seen. For an earlier flight a caller waits, then reads again.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

from cachecore.storage.envelope import Payload

MAX_CONCURRENT_READS = 8  # so many threads read one key at once; further ones let one read for all of them


class FlightResult(NamedTuple):
    """How a flight ended: with a value, or with the factory's error, or (neither) abandoned."""

    payload: Payload | None = None
    error: Exception | None = None
    computed: bool = True

    @property
    def finished(self) -> bool:
        return self.payload is not None or self.error is not None

    def result(self) -> Payload:
        """For all who joined. Of an abandoned flight there is none: ask `known` first."""
        if self.error is not None:
            raise self.error
        if self.payload is None:
            raise AssertionError("an abandoned flight has no result")
        return self.payload


@dataclass(slots=True, eq=False)
class Flight:
    """`cold`: its leader has no old value that others could be served meanwhile."""

    key: str
    tags: tuple[str, ...]
    value_missing: bool
    started: float
    future: "Future[FlightResult]" = field(default_factory=Future)


class Flights:
    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._under_way: dict[str, Flight] = {}
        self._looking: dict[str, int] = {}

    def should_join_first(self, key: str) -> bool:
        """Whether reading would be in vain, or one of many at this moment: join first."""
        flight = self._under_way.get(key)
        return (flight is not None and flight.value_missing) or self._looking.get(key, 0) >= MAX_CONCURRENT_READS

    def begin_look(self, key: str) -> None:
        """`end_look` follows, whatever happens."""
        with self._lock:
            self._looking[key] = self._looking.get(key, 0) + 1

    def end_look(self, key: str) -> None:
        with self._lock:
            left = self._looking[key] - 1
            if left:
                self._looking[key] = left
            else:
                del self._looking[key]

    def join_or_lead(self, key: str, tags: tuple[str, ...], *, value_missing: bool) -> tuple[Flight, bool]:
        """The flight of a key, and whether the caller leads it."""
        with self._lock:
            flight = self._under_way.get(key)
            if flight is not None:
                return flight, False
            flight = self._under_way[key] = Flight(key, tags, value_missing, self._monotonic())
            return flight, True

    def finish(self, flight: Flight, landed: FlightResult) -> None:
        with self._lock:
            if self._under_way.get(flight.key) is flight:
                del self._under_way[flight.key]
        flight.future.set_result(landed)

    def detach(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """This process has invalidated: who calls from now on begins anew, without waiting for the old flight."""
        gone, changed = set(keys), set(tags)
        with self._lock:
            doomed = [
                key for key, flight in self._under_way.items() if key in gone or not changed.isdisjoint(flight.tags)
            ]
            for key in doomed:
                del self._under_way[key]

    def detach_all(self) -> None:
        with self._lock:
            self._under_way.clear()


# The keys whose factories run around this code: a factory that asks for its own value must not wait for itself.
running_factories: ContextVar[frozenset[str]] = ContextVar("computing", default=frozenset())
