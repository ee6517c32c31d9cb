"""Filling: of all who miss, one computes. In the process by a flight (here), across processes by a lease (leading.py).

Steps (cachecore/read_through/effects.py): no I/O here, so the same logic blocks in threads and awaits in event loops.
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
from cachecore.writes import uncommitted


class FactoryTimeout(Exception):
    """The factory took longer than the family allows and there is no value to serve meanwhile."""


class SingleFlight:
    """`closed` says whether a key may not be read or stored now (an open transaction, an unpaid invalidation)."""

    def __init__(
        self,
        reader: StoredValueReader,
        flights: Flights,
        computer: Computation,
        closed: MustBypass,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._flights = flights
        self._computation = computer
        self._lease_coordinator = LeaseCoordinator(reader, computer, monotonic)
        self._must_bypass = closed
        self._monotonic = monotonic

    def remember(self, ask: ReadRequest) -> EffectGenerator[Payload]:
        key, flights = ask.key, self._flights
        if self._must_bypass(key, ask.canonical_tags.names):
            return (yield from self._computation.compute_uncached(ask))
        within = key in running_factories.get()  # its own factory asks: it must not wait for itself
        if not within and flights.should_join_first(key) and not uncommitted.must_not_store():
            return (yield from self._join_or_compute(ask, None))
        flights.begin_look(key)
        try:
            seen = yield from self._reader.read(key, ask.canonical_tags, ask.requested_tags)
        finally:
            flights.end_look(key)
        if seen.payload is not None and self._must_bypass(key, seen.tags):
            return (yield from self._computation.compute_uncached(ask))
        if seen.payload is not None and seen.freshness is Freshness.FRESH:
            ask.count("hit")
            return seen.payload
        if within:
            return (yield from self._computation.compute_uncached(ask))
        if uncommitted.must_not_store():  # what it computes is for nobody else, in this process neither
            if seen.payload is not None and seen.freshness is Freshness.EARLY:
                return serve_stored(ask, seen, seen.payload)
            return (yield from self._computation.compute_or_stale(ask, seen))
        return (yield from self._join_or_compute(ask, seen))

    def _join_or_compute(self, ask: ReadRequest, seen: ReadResult | None) -> EffectGenerator[Payload]:
        """`seen` None: not read yet. Whoever leads reads, for all who join."""
        outcome: Event = "hit"
        while True:
            flight, leads = self._flights.join_or_lead(
                ask.key, ask.canonical_tags.names, value_missing=seen is None or seen.payload is None
            )
            if leads and seen is None:
                return (yield from self._read_for_followers(ask, flight, outcome))
            if leads and seen is not None:
                return (yield from self._lead_within_limits(ask, seen, flight))
            if seen is None and not flight.value_missing:
                seen = yield from self._reader.read(ask.key, ask.canonical_tags, ask.requested_tags)
            if seen is not None and seen.payload is not None:
                return serve_stored(ask, seen, seen.payload)
            landed: FlightResult | None = yield Join(flight.future, self._join_seconds(ask))
            if landed is None:
                return (yield from self._on_join_timeout(ask))
            ask.count("wait")
            outcome = "miss" if landed.computed else outcome
            if flight.started >= ask.started and landed.finished:
                ask.count(outcome)
                return landed.result()
            seen = None

    def _read_for_followers(self, ask: ReadRequest, flight: Flight, outcome: Event) -> EffectGenerator[Payload]:
        try:
            seen = yield from self._reader.read(ask.key, ask.canonical_tags, ask.requested_tags)
        except BaseException:
            self._flights.finish(flight, FlightResult())
            raise
        if seen.payload is None or self._must_bypass(ask.key, seen.tags):
            return (yield from self._lead_within_limits(ask, seen.without_payload(), flight))
        self._flights.finish(flight, FlightResult(seen.payload, computed=False))
        ask.count("stale" if seen.freshness is Freshness.STALE else outcome)
        return seen.payload

    def _lead_within_limits(self, ask: ReadRequest, seen: ReadResult, flight: Flight) -> EffectGenerator[Payload]:
        patience = _factory_timeout(ask.family, stale=seen.payload is not None)
        # Within another's factory nobody waits for a thread: all of them could be waiting for one more.
        if patience is None or (seen.payload is None and running_factories.get()):
            return (yield from self._lead(ask, seen, flight))
        aside = ask.spawned()
        begun = yield from self._spawn_leader(aside, seen, flight)
        landed: FlightResult | None = (yield Join(flight.future, patience)) if begun else None
        if landed is not None and landed.finished:
            ask.merge_events(aside)
            return landed.result()
        if seen.payload is not None:
            return serve_stored(ask, seen, seen.payload)
        if landed is not None:  # abandoned, as when the process is shutting down
            return (yield from self._computation.compute_uncached(ask))
        return (yield from self._on_join_timeout(ask))

    def _spawn_leader(self, ask: ReadRequest, seen: ReadResult, flight: Flight) -> EffectGenerator[bool]:
        begun: bool = False
        try:
            begun = yield Spawn(ask.family.name, self._lead(ask, seen, flight))
        finally:
            if not begun:
                self._flights.finish(flight, FlightResult())
        return begun

    def _lead(self, ask: ReadRequest, seen: ReadResult, flight: Flight) -> EffectGenerator[Payload]:
        landed = FlightResult()
        try:
            payload = yield from self._lease_coordinator.lead(ask, seen)
            if not uncommitted.has_uncommitted_writes():  # the factory itself, in the caller's transaction
                landed = FlightResult(payload)
            return payload
        except Exception as error:
            landed = FlightResult(error=error)
            raise
        finally:
            self._flights.finish(flight, landed)

    def _on_join_timeout(self, ask: ReadRequest) -> EffectGenerator[Payload]:
        if ask.family.options.factory_hard_timeout_seconds is not None:
            ask.count("miss")
            raise FactoryTimeout(f"{ask.family.name}: longer than {ask.family.options.factory_hard_timeout_seconds} s")
        return (yield from self._computation.compute_uncached(ask))

    def _join_seconds(self, ask: ReadRequest) -> float:
        limit = ask.family.options.factory_hard_timeout_seconds or 2 * conf.lease_seconds(ask.family)
        return max(0.0, ask.started + limit - self._monotonic())


def _factory_timeout(family: Family, *, stale: bool) -> float | None:
    """How long the caller waits for its own factory; None: it runs it itself."""
    if stale and family.options.background:
        return 0.0
    if stale and family.options.factory_soft_timeout_seconds is not None:
        return family.options.factory_soft_timeout_seconds
    return family.options.factory_hard_timeout_seconds
