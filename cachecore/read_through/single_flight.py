"""Single flight: of all callers that miss a value, one computes it and the others wait for its result.

Within a process by a flight (cachecore/storage/flights.py), across processes by a lease (lease_coordinator.py). Yields
effects (cachecore/read_through/effects.py) and performs no I/O, so the same logic runs in threads and event loops.
"""

import time
from collections.abc import Callable

from cachecore import conf
from cachecore.keys import Family
from cachecore.read_through.computation import Computation, MustBypass
from cachecore.read_through.effects import EffectGenerator, Join, Spawn
from cachecore.read_through.lease_coordinator import LeaseCoordinator, serve_stored
from cachecore.read_through.request import ReadRequest
from cachecore.read_through.stored_values import ReadResult, StoredValueReader
from cachecore.stats.measures import Event
from cachecore.storage.envelope import Payload
from cachecore.storage.expiry import Freshness
from cachecore.storage.flights import Flight, FlightResult, Flights, running_factories
from cachecore.writes import transactions


class FactoryTimeout(Exception):
    """The factory took longer than the family allows, and there is no stale value to serve."""


class SingleFlight:
    """`must_bypass` returns True if a key must be neither read nor stored now (`Invalidator.must_bypass`)."""

    def __init__(
        self,
        reader: StoredValueReader,
        flights: Flights,
        computation: Computation,
        must_bypass: MustBypass,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._flights = flights
        self._computation = computation
        self._lease_coordinator = LeaseCoordinator(reader, computation, monotonic)
        self._must_bypass = must_bypass
        self._monotonic = monotonic

    def remember(self, read: ReadRequest) -> EffectGenerator[Payload]:
        """Return the stored value if it is fresh; else compute it, join its computation, or serve the stale one."""
        key, flights = read.key, self._flights
        if self._must_bypass(key, read.canonical_tags.names):
            return (yield from self._computation.compute_uncached(read))
        in_own_factory = key in running_factories.get()  # it must not wait for itself
        if not in_own_factory and flights.should_join_first(key) and not transactions.must_not_store():
            return (yield from self._join_or_compute(read, None))
        with flights.reading(key):
            stored = yield from self._reader.read(key, read.canonical_tags, read.requested_tags)
        if stored.payload is not None and self._must_bypass(key, stored.tags):
            return (yield from self._computation.compute_uncached(read))
        if stored.payload is not None and stored.freshness is Freshness.FRESH:
            read.count("hit")
            return stored.payload
        if in_own_factory:
            return (yield from self._computation.compute_uncached(read))
        if transactions.must_not_store():
            # The open transaction has written: return the value to this caller only; neither store nor share it.
            if stored.payload is not None and stored.freshness is Freshness.EARLY:
                return serve_stored(read, stored, stored.payload)
            return (yield from self._computation.compute_or_stale(read, stored))
        return (yield from self._join_or_compute(read, stored))

    def _join_or_compute(self, read: ReadRequest, stored: ReadResult | None) -> EffectGenerator[Payload]:
        """Lead a flight or join one. If `stored` is None nothing was read yet: the leader reads for all who join."""
        outcome: Event = "hit"
        while True:
            flight, leads = self._flights.join_or_lead(
                read.key, read.canonical_tags.names, value_missing=stored is None or stored.payload is None
            )
            if leads and stored is None:
                return (yield from self._read_for_followers(read, flight, outcome))
            if leads and stored is not None:
                return (yield from self._lead_within_limits(read, stored, flight))
            if stored is None and not flight.value_missing:
                stored = yield from self._reader.read(read.key, read.canonical_tags, read.requested_tags)
            if stored is not None and stored.payload is not None:
                return serve_stored(read, stored, stored.payload)
            result: FlightResult | None = yield Join(flight.future, self._join_seconds(read))
            if result is None:
                return (yield from self._on_join_timeout(read))
            read.count("wait")
            outcome = "miss" if result.computed else outcome
            if flight.started >= read.started and result.finished:
                read.count(outcome)
                return result.payload_or_raise()
            stored = None

    def _read_for_followers(self, read: ReadRequest, flight: Flight, outcome: Event) -> EffectGenerator[Payload]:
        """Read from Redis as the leader of a flight; compute if the value is missing."""
        try:
            stored = yield from self._reader.read(read.key, read.canonical_tags, read.requested_tags)
        except BaseException:
            self._flights.finish(flight, FlightResult())
            raise
        if stored.payload is None or self._must_bypass(read.key, stored.tags):
            return (yield from self._lead_within_limits(read, stored.without_payload(), flight))
        self._flights.finish(flight, FlightResult(stored.payload, computed=False))
        read.count("stale" if stored.freshness is Freshness.STALE else outcome)
        return stored.payload

    def _lead_within_limits(self, read: ReadRequest, stored: ReadResult, flight: Flight) -> EffectGenerator[Payload]:
        """Compute as the leader of a flight, within the family's time limits for callers."""
        timeout = _factory_timeout(read.family, stale=stored.payload is not None)
        # A factory within a factory runs in the same thread: all threads could be waiting for one more.
        if timeout is None or (stored.payload is None and running_factories.get()):
            return (yield from self._lead(read, stored, flight))
        spawned = read.spawned()
        is_running = yield from self._spawn_leader(spawned, stored, flight)
        result: FlightResult | None = (yield Join(flight.future, timeout)) if is_running else None
        if result is not None and result.finished:
            read.merge_events(spawned)
            return result.payload_or_raise()
        if stored.payload is not None:
            return serve_stored(read, stored, stored.payload)
        if result is not None:  # abandoned, as when the process is shutting down
            return (yield from self._computation.compute_uncached(read))
        return (yield from self._on_join_timeout(read))

    def _spawn_leader(self, read: ReadRequest, stored: ReadResult, flight: Flight) -> EffectGenerator[bool]:
        """Lead the flight in another thread or task; return False if none is available."""
        is_running: bool = False
        try:
            is_running = yield Spawn(read.family.name, self._lead(read, stored, flight))
        finally:
            if not is_running:
                self._flights.finish(flight, FlightResult())
        return is_running

    def _lead(self, read: ReadRequest, stored: ReadResult, flight: Flight) -> EffectGenerator[Payload]:
        """Compute under a lease and finish the flight, whatever happens."""
        result = FlightResult()
        try:
            payload = yield from self._lease_coordinator.lead(read, stored)
            if not transactions.has_uncommitted_writes():  # by the factory itself: not for those who joined
                result = FlightResult(payload)
            return payload
        except Exception as error:
            result = FlightResult(error=error)
            raise
        finally:
            self._flights.finish(flight, result)

    def _on_join_timeout(self, read: ReadRequest) -> EffectGenerator[Payload]:
        timeout = read.family.options.factory_hard_timeout_seconds
        if timeout is not None:
            read.count("miss")
            raise FactoryTimeout(f"The factory of family {read.family.name} took longer than {timeout} s.")
        return (yield from self._computation.compute_uncached(read))

    def _join_seconds(self, read: ReadRequest) -> float:
        limit = read.family.options.factory_hard_timeout_seconds or 2 * conf.lease_seconds(read.family)
        return max(0.0, read.started + limit - self._monotonic())


def _factory_timeout(family: Family, *, stale: bool) -> float | None:
    """Return how many seconds the caller waits for its factory; None if it runs the factory itself."""
    if stale and family.options.background:
        return 0.0
    if stale and family.options.factory_soft_timeout_seconds is not None:
        return family.options.factory_soft_timeout_seconds
    return family.options.factory_hard_timeout_seconds
