"""Filling: of all who miss, one computes. In the process by a flight (here), across processes by a lease (leading.py).

Steps (cachecore/read_through/effects.py): no I/O here, so the same logic blocks in threads and awaits in event loops.
"""

import time
from collections.abc import Callable

from cachecore import conf
from cachecore.keys import Family
from cachecore.read_through.computation import Closed, Computer
from cachecore.read_through.effects import Join, Spawn, Steps
from cachecore.read_through.lease_coordinator import Leader, served_old
from cachecore.read_through.request import Ask
from cachecore.read_through.stored_values import Reader, Seen
from cachecore.stats.measures import Event
from cachecore.storage.envelope import Payload
from cachecore.storage.expiry import Freshness
from cachecore.storage.flights import Flight, Flights, Landed, computing
from cachecore.writes import uncommitted


class FactoryTimeout(Exception):
    """The factory took longer than the family allows and there is no value to serve meanwhile."""


class Filler:
    """`closed` says whether a key may not be read or stored now (an open transaction, an unpaid invalidation)."""

    def __init__(
        self,
        reader: Reader,
        flights: Flights,
        computer: Computer,
        closed: Closed,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._flights = flights
        self._computer = computer
        self._leader = Leader(reader, computer, monotonic)
        self._closed = closed
        self._monotonic = monotonic

    def remember(self, ask: Ask) -> Steps[Payload]:
        key, flights = ask.key, self._flights
        if self._closed(key, ask.named.tags):
            return (yield from self._computer.alone(ask))
        within = key in computing.get()  # its own factory asks: it must not wait for itself
        if not within and flights.crowded(key) and not uncommitted.withholds():
            return (yield from self._fill(ask, None))
        flights.begin_look(key)
        try:
            seen = yield from self._reader.look(key, ask.named, ask.asked)
        finally:
            flights.end_look(key)
        if seen.payload is not None and self._closed(key, seen.tags):
            return (yield from self._computer.alone(ask))
        if seen.payload is not None and seen.freshness is Freshness.FRESH:
            ask.count("hit")
            return seen.payload
        if within:
            return (yield from self._computer.alone(ask))
        if uncommitted.withholds():  # what it computes is for nobody else, in this process neither
            if seen.payload is not None and seen.freshness is Freshness.EARLY:
                return served_old(ask, seen, seen.payload)
            return (yield from self._computer.without_storing(ask, seen))
        return (yield from self._fill(ask, seen))

    def _fill(self, ask: Ask, seen: Seen | None) -> Steps[Payload]:
        """`seen` None: not read yet. Whoever leads reads, for all who join."""
        outcome: Event = "hit"
        while True:
            flight, leads = self._flights.board(ask.key, ask.named.tags, cold=seen is None or seen.payload is None)
            if leads and seen is None:
                return (yield from self._look_for_all(ask, flight, outcome))
            if leads and seen is not None:
                return (yield from self._lead_within_limits(ask, seen, flight))
            if seen is None and not flight.cold:
                seen = yield from self._reader.look(ask.key, ask.named, ask.asked)
            if seen is not None and seen.payload is not None:
                return served_old(ask, seen, seen.payload)
            landed: Landed | None = yield Join(flight.future, self._join_seconds(ask))
            if landed is None:
                return (yield from self._waited_too_long(ask))
            ask.count("wait")
            outcome = "miss" if landed.computed else outcome
            if flight.started >= ask.started and landed.known:
                ask.count(outcome)
                return landed.result()
            seen = None

    def _look_for_all(self, ask: Ask, flight: Flight, outcome: Event) -> Steps[Payload]:
        try:
            seen = yield from self._reader.look(ask.key, ask.named, ask.asked)
        except BaseException:
            self._flights.land(flight, Landed())
            raise
        if seen.payload is None or self._closed(ask.key, seen.tags):
            return (yield from self._lead_within_limits(ask, seen.without_payload(), flight))
        self._flights.land(flight, Landed(seen.payload, computed=False))
        ask.count("stale" if seen.freshness is Freshness.STALE else outcome)
        return seen.payload

    def _lead_within_limits(self, ask: Ask, seen: Seen, flight: Flight) -> Steps[Payload]:
        patience = _patience(ask.family, stale=seen.payload is not None)
        # Within another's factory nobody waits for a thread: all of them could be waiting for one more.
        if patience is None or (seen.payload is None and computing.get()):
            return (yield from self._lead(ask, seen, flight))
        aside = ask.spawned()
        begun = yield from self._begin_aside(aside, seen, flight)
        landed: Landed | None = (yield Join(flight.future, patience)) if begun else None
        if landed is not None and landed.known:
            ask.adopt(aside)
            return landed.result()
        if seen.payload is not None:
            return served_old(ask, seen, seen.payload)
        if landed is not None:  # abandoned, as when the process is shutting down
            return (yield from self._computer.alone(ask))
        return (yield from self._waited_too_long(ask))

    def _begin_aside(self, ask: Ask, seen: Seen, flight: Flight) -> Steps[bool]:
        begun: bool = False
        try:
            begun = yield Spawn(ask.family.name, self._lead(ask, seen, flight))
        finally:
            if not begun:
                self._flights.land(flight, Landed())
        return begun

    def _lead(self, ask: Ask, seen: Seen, flight: Flight) -> Steps[Payload]:
        landed = Landed()
        try:
            payload = yield from self._leader.lead(ask, seen)
            if not uncommitted.wrote():  # the factory itself, in the caller's transaction
                landed = Landed(payload)
            return payload
        except Exception as error:
            landed = Landed(error=error)
            raise
        finally:
            self._flights.land(flight, landed)

    def _waited_too_long(self, ask: Ask) -> Steps[Payload]:
        if ask.family.options.factory_hard is not None:
            ask.count("miss")
            raise FactoryTimeout(f"{ask.family.name}: longer than {ask.family.options.factory_hard} s")
        return (yield from self._computer.alone(ask))

    def _join_seconds(self, ask: Ask) -> float:
        limit = ask.family.options.factory_hard or 2 * conf.lease_seconds(ask.family)
        return max(0.0, ask.started + limit - self._monotonic())


def _patience(family: Family, *, stale: bool) -> float | None:
    """How long the caller waits for its own factory; None: it runs it itself."""
    if stale and family.options.background:
        return 0.0
    if stale and family.options.factory_soft is not None:
        return family.options.factory_soft
    return family.options.factory_hard
