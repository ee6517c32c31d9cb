"""Filling: of all who miss, one computes. In the process by a flight, across processes by a lease.

Steps (cachecore/steps.py): no I/O here, so the same logic blocks in threads and awaits in event loops.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cachecore import envelope as envelopes
from cachecore import leases, lifetimes, options, stats
from cachecore.clock import now_ms
from cachecore.connections import RoleUnavailable
from cachecore.envelope import HEADER_BYTES, Payload, Times
from cachecore.flights import Flight, Flights, Landed, computing
from cachecore.freshness import Freshness
from cachecore.keys import Family, Key
from cachecore.leases import Held, Taken
from cachecore.local import LocalCache
from cachecore.measures import Event
from cachecore.reading import Reader, Seen
from cachecore.sealing import NotStorable
from cachecore.steps import Compute, Join, Run, Spawn, Steps, Wait

logger = logging.getLogger(__name__)

LEAST_SECONDS = 0.001  # what Redis can keep
Closed = Callable[[Key, tuple[str, ...]], bool]


class FactoryTimeout(Exception):
    """The factory took longer than the family allows and there is no value to serve meanwhile."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of `remember`. `tags` are canonical, `asked` as the caller named them; `ttl` is resolved when stored."""

    key: Key
    ttl: float | str | None
    factory: Callable[[], Any]
    tags: tuple[str, ...]
    asked: tuple[str, ...]
    started: float
    events: list[Event] = field(default_factory=list)  # how it went, for whoever wants to tell

    @property
    def family(self) -> Family:
        return self.key.family


class Filler:
    """`closed` says whether a key may not be read or stored now (an open transaction, an unpaid invalidation)."""

    def __init__(
        self,
        reader: Reader,
        flights: Flights,
        memory: LocalCache,
        closed: Closed,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._flights = flights
        self._memory = memory
        self._closed = closed
        self._monotonic = monotonic

    def remember(self, ask: Ask) -> Steps[Payload]:
        if self._closed(ask.key, ask.tags):
            return (yield from self.alone(ask))
        within = ask.key in computing.get()  # its own factory asks: it must not wait for itself
        if self._flights.crowded(ask.key) and not within:
            return (yield from self._fill(ask, None))
        with self._flights.looking(ask.key):
            seen = yield from self._reader.look(ask.key, ask.tags, ask.asked)
        if seen.payload is not None and self._closed(ask.key, seen.tags):
            return (yield from self.alone(ask))
        if seen.fresh and seen.payload is not None:
            self._count(ask, "hit")
            return seen.payload
        if within:
            return (yield from self.alone(ask))
        return (yield from self._fill(ask, seen))

    def _fill(self, ask: Ask, seen: Seen | None) -> Steps[Payload]:
        """`seen` None: not read yet. Whoever leads reads, for all who join."""
        outcome: Event = "hit"
        while True:
            flight, leads = self._flights.board(ask.key, ask.tags, cold=seen is None or seen.payload is None)
            if leads and seen is None:
                return (yield from self._look_for_all(ask, flight, outcome))
            if leads and seen is not None:
                return (yield from self._lead_within_limits(ask, seen, flight))
            if seen is None and not flight.cold:
                seen = yield from self._reader.look(ask.key, ask.tags, ask.asked)
            if seen is not None and seen.payload is not None:
                return self._served_old(ask, seen)
            landed = yield Join(flight.future, self._join_seconds(ask))
            if landed is None:
                return (yield from self._waited_too_long(ask))
            self._count(ask, "wait")
            outcome = "miss" if landed.computed else outcome
            if flight.started >= ask.started and landed.known:
                self._count(ask, outcome)
                return _result(landed)
            seen = None

    def _look_for_all(self, ask: Ask, flight: Flight, outcome: Event) -> Steps[Payload]:
        try:
            seen = yield from self._reader.look(ask.key, ask.tags, ask.asked)
        except BaseException:
            self._flights.land(flight, Landed())
            raise
        if seen.payload is None or self._closed(ask.key, seen.tags):
            return (yield from self._lead_within_limits(ask, seen._replace(payload=None), flight))
        self._flights.land(flight, Landed(seen.payload, computed=False))
        self._count(ask, "stale" if seen.freshness is Freshness.STALE else outcome)
        return seen.payload

    def _lead_within_limits(self, ask: Ask, seen: Seen, flight: Flight) -> Steps[Payload]:
        patience = _patience(ask.family, stale=seen.payload is not None)
        if patience is None:
            return (yield from self._lead(ask, seen, flight))
        try:
            yield Spawn(self._lead(ask, seen, flight))
        except BaseException:
            self._flights.land(flight, Landed())
            raise
        landed = yield Join(flight.future, patience)
        if landed is not None and landed.known:
            return _result(landed)
        if seen.payload is not None:
            return self._served_old(ask, seen)
        if landed is not None:  # abandoned, as when the process is shutting down
            return (yield from self.alone(ask))
        return (yield from self._waited_too_long(ask))

    def _lead(self, ask: Ask, seen: Seen, flight: Flight) -> Steps[Payload]:
        landed = Landed()
        try:
            payload = yield from self._leading(ask, seen)
            landed = Landed(payload)
            return payload
        except Exception as error:
            landed = Landed(error=error)
            raise
        finally:
            self._flights.land(flight, landed)

    def _leading(self, ask: Ask, seen: Seen) -> Steps[Payload]:
        lifetimes.seconds_of(ask.family, ask.ttl)  # a wrong setting is an error before a lease is taken
        lease_seconds = max(options.lease_seconds(ask.family), 2 * seen.compute_seconds)
        give_up_at = self._monotonic() + 2 * lease_seconds
        while self._monotonic() < give_up_at:
            try:
                token, call = leases.take(ask.key, ask.tags, seen.header, lease_seconds)
                answer = leases.taken(token, ask.tags, (yield Run(call)))
                if isinstance(answer, Held) and seen.payload is None and not (yield from self._wait(ask, answer)):
                    continue  # its holder may be dead: ask again
            except RoleUnavailable:
                break
            if isinstance(answer, Taken):
                return (yield from self._compute_and_store(ask, seen, answer))
            if seen.payload is not None and isinstance(answer, Held):
                return self._served_old(ask, seen)
            seen = yield from self._reader.look(ask.key, ask.tags, ask.asked)
            if seen.payload is not None:
                self._count(ask, "miss")  # another computed it while this caller missed it
                return seen.payload
        return (yield from self._computed(ask, seen))[0]

    def _wait(self, ask: Ask, held: Held) -> Steps[bool]:
        """Until the latch opens (True), or the lease may have run out, or for one slice of the socket's limit."""
        self._count(ask, "wait")
        seconds = min(held.seconds + 0.001, options.wait_slice_seconds())
        return bool((yield Wait(leases.LATCH.key(key=ask.key), seconds)))

    def _compute_and_store(self, ask: Ask, seen: Seen, taken: Taken) -> Steps[Payload]:
        try:
            payload, seconds = yield from self._compute(ask)
        except GeneratorExit:
            raise
        except BaseException as error:
            yield from self._give_up(ask, taken)
            if isinstance(error, Exception) and (old := self._fail_safe(ask, seen, error)):
                return old
            raise
        self._count(ask, "miss")
        if seen.payload is not None:
            self._count(ask, "refreshed")
        if self._closed(ask.key, ask.tags):  # the factory itself has written
            yield from self._give_up(ask, taken)
        else:
            yield from self._store(ask, taken, payload, seconds)
        return payload

    def _store(self, ask: Ask, taken: Taken, payload: Payload, seconds: float) -> Steps[None]:
        ttl = lifetimes.seconds_of(ask.family, ask.ttl)
        if payload.lasting is not None:
            ttl = min(ttl, max(payload.lasting, LEAST_SECONDS))
        times = times_of(ask.family, ttl, payload, seconds)
        try:
            data = envelopes.seal(ask.family, payload, times, taken.versions)
        except NotStorable as error:
            logger.warning("not stored: %s", error)
            self._count(ask, "refused")
            yield from self._give_up(ask, taken)
            return
        asked_at, generation = self._monotonic(), self._memory.generation
        try:
            ttl_ms = round(times.hard_seconds * 1000)
            stored = yield Run(leases.store(ask.key, taken.lease, taken.versions, data, ttl_ms))
        except RoleUnavailable:
            self._count(ask, "error")
            return
        finally:
            stats.timed(ask.family.name, "store", self._monotonic() - asked_at)
        self._count(ask, "stored" if stored else "lease_lost")
        if not stored:
            return
        stats.sized(ask.family.name, len(payload.data), len(data))
        envelope = envelopes.parse(data)
        if ask.family.options.near and envelope is not None:
            header = data[:HEADER_BYTES]
            self._reader.keep(ask.key, header, envelope, payload, ask.asked, asked_at, generation)

    def _give_up(self, ask: Ask, taken: Taken) -> Steps[None]:
        try:
            yield Run(leases.give_up(ask.key, taken.lease))
        except RoleUnavailable:
            self._count(ask, "error")

    def _computed(self, ask: Ask, seen: Seen) -> Steps[tuple[Payload, float]]:
        """Without storing: Redis is away, or the others are not to be waited for."""
        self._count(ask, "bypass")
        try:
            return (yield from self._compute(ask))
        except Exception as error:
            if old := self._fail_safe(ask, seen, error):
                return old, 0.0
            raise

    def alone(self, ask: Ask) -> Steps[Payload]:
        """Compute for this caller only; nothing is read or stored."""
        self._count(ask, "bypass")
        return (yield from self._compute(ask))[0]

    def _compute(self, ask: Ask) -> Steps[tuple[Payload, float]]:
        """The value goes through its encoding at once: a miss answers exactly what a hit will."""
        started = self._monotonic()
        value = yield Compute(ask.key, ask.factory)
        seconds = self._monotonic() - started
        stats.timed(ask.family.name, "compute", seconds)
        payload = envelopes.pack(ask.family, value)
        if payload.negative:
            self._count(ask, "negative")
        return payload, seconds

    def _fail_safe(self, ask: Ask, seen: Seen, error: Exception) -> Payload | None:
        """The old value within its hard life: as Redis had it, else as this process last knew it."""
        payload = seen.payload
        if payload is None and (entry := self._memory.known(ask.key)) is not None and entry.asked == ask.asked:
            payload = entry.payload
        if payload is not None:
            logger.warning("%s: the factory failed, its old value is served: %r", ask.family.name, error)
            self._count(ask, "error")
            self._count(ask, "stale")
        return payload

    def _waited_too_long(self, ask: Ask) -> Steps[Payload]:
        if ask.family.options.factory_hard is not None:
            self._count(ask, "miss")
            raise FactoryTimeout(f"{ask.family.name}: longer than {ask.family.options.factory_hard} s")
        return (yield from self.alone(ask))

    def _served_old(self, ask: Ask, seen: Seen) -> Payload:
        self._count(ask, "hit" if seen.freshness is Freshness.EARLY else "stale")
        assert seen.payload is not None  # noqa: S101  the callers looked
        return seen.payload

    def _join_seconds(self, ask: Ask) -> float:
        limit = ask.family.options.factory_hard or 2 * options.lease_seconds(ask.family)
        return max(0.0, ask.started + limit - self._monotonic())

    def _count(self, ask: Ask, event: Event) -> None:
        ask.events.append(event)
        stats.count(ask.family.name, event)


def times_of(family: Family, ttl_seconds: float, payload: Payload, compute_seconds: float) -> Times:
    """Jitter shortens both lives alike; what was not found lives shortly."""
    ttl = min(ttl_seconds, family.options.negative) if payload.negative else ttl_seconds
    hard = lifetimes.jittered(ttl)
    soft = hard if family.options.soft is None else min(hard, hard * family.options.soft / ttl)
    return Times(now_ms(), soft, hard, compute_seconds)


def _patience(family: Family, *, stale: bool) -> float | None:
    """How long the caller waits for its own factory; None: it runs it itself."""
    if stale and family.options.background:
        return 0.0
    if stale and family.options.factory_soft is not None:
        return family.options.factory_soft
    return family.options.factory_hard


def _result(landed: Landed) -> Payload:
    if landed.error is not None:
        raise landed.error
    assert landed.payload is not None  # noqa: S101  abandoned flights do not come here
    return landed.payload
