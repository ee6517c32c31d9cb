"""Computing a value: for the holder of a lease, who stores it, or for one caller alone; and what if it fails.

Steps (cachecore/filling/steps.py): no I/O here.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404

from cachecore import options
from cachecore.changing import uncommitted
from cachecore.filling.asks import Ask
from cachecore.filling.reading import Reader, Seen
from cachecore.filling.steps import Compute, Run, Steps
from cachecore.keys import Family, Key
from cachecore.roles.connections import RoleUnavailable
from cachecore.statistics import stats
from cachecore.ttls import lifetimes
from cachecore.values import envelope as envelopes
from cachecore.values import leases
from cachecore.values.envelope import HEADER_BYTES, Payload
from cachecore.values.freshness import times_of
from cachecore.values.leases import Taken
from cachecore.values.local import LocalCache
from cachecore.values.sealing import NotStorable

logger = logging.getLogger(__name__)

T = TypeVar("T")
Closed = Callable[[Key, tuple[str, ...]], bool]


# Answers of a factory, not failures: no old value is served in their place, and none is left for others.
GONE = (ObjectDoesNotExist, Http404, PermissionDenied)


class NotAFailure(Exception):
    """Raised by a factory for its own caller: no old value is served in its place."""


class Computer:
    """`closed` says whether a key may not be read or stored now (an open transaction, an unpaid invalidation)."""

    def __init__(
        self, reader: Reader, memory: LocalCache, closed: Closed, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._memory = memory
        self._closed = closed
        self._monotonic = monotonic
        self._took: dict[str, float] = {}  # by family, seconds

    def took_seconds(self, family: Family) -> float:
        """Its last computation here: what takes longer than its lease is stored the second time."""
        return self._took.get(family.name, 0.0)

    def alone(self, ask: Ask) -> Steps[Payload]:
        """For this caller only; nothing is read or stored."""
        ask.count("bypass")
        return (yield from self._compute(ask))[0]

    def without_storing(self, ask: Ask, seen: Seen) -> Steps[Payload]:
        """Redis is away, or the others are not to be waited for."""
        try:
            return (yield from self.alone(ask))
        except (*GONE, NotAFailure):
            raise
        except Exception as error:
            if old := self._fail_safe(ask, seen, error):
                return old
            raise

    def and_store(self, ask: Ask, seen: Seen, taken: Taken) -> Steps[Payload]:
        try:
            payload, seconds = yield from self._compute(ask)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  raised again, where no old value stands in for it
            return (yield from self._instead(ask, seen, taken, error))
        ask.count("miss")
        if seen.payload is not None:
            ask.count("refreshed")
        if self._closed(ask.key, ask.named.tags) or uncommitted.wrote():  # the factory itself has written
            yield from self._give_up(ask, taken)
        else:
            yield from self._or_give_up(ask, taken, self._store(ask, taken, payload, seconds))
        return payload

    def _instead(self, ask: Ask, seen: Seen, taken: Taken, error: BaseException) -> Steps[Payload]:
        """Of a value that was not computed: the old one, if there is one and `error` is a failure. Else raises it."""
        if isinstance(error, GONE) and seen.payload is not None:
            yield from self._forget(ask)
            raise error
        failed = isinstance(error, Exception) and not isinstance(error, (*GONE, NotAFailure))
        old = self._fail_safe(ask, seen, error) if failed else None
        # Where everybody has the old value the lease stands until its end: one try a lease, not one a read.
        if old is None or seen.payload is None:
            yield from self._give_up(ask, taken)
        if old is None:
            raise error
        return old

    def _forget(self, ask: Ask) -> Steps[None]:
        """There is nothing any more: the old value goes, and leases with it."""
        self._memory.invalidate([ask.key], ())
        try:
            yield Run(leases.write({ask.key: (b"", 0)}))
        except RoleUnavailable:
            ask.count("error")

    def _or_give_up(self, ask: Ask, taken: Taken, steps: Steps[T]) -> Steps[T]:
        """Whatever fails, a cancellation too, ends the lease: nobody waits for its marker."""
        try:
            return (yield from steps)
        except GeneratorExit:
            raise
        except BaseException:
            yield from self._give_up(ask, taken)
            raise

    def _compute(self, ask: Ask) -> Steps[tuple[Payload, float]]:
        """The value goes through its encoding at once: a miss answers exactly what a hit will."""
        started = self._monotonic()
        value = yield Compute(ask.key, ask.factory)
        self._took[ask.family.name] = seconds = self._monotonic() - started
        stats.timed(ask.family.name, "compute", seconds)
        payload = envelopes.pack(ask.family, value)
        if payload.negative:
            ask.count("negative")
        return payload, seconds

    def _store(self, ask: Ask, taken: Taken, payload: Payload, seconds: float) -> Steps[None]:
        times = times_of(ask.family, _ttl_seconds(ask, payload), payload, seconds)
        try:
            data = envelopes.seal(ask.key, payload, times, taken.versions)
        except NotStorable as error:
            logger.warning("not stored: %s", error)
            ask.count("refused")
            yield from self._give_up(ask, taken)
            return
        asked_at, generation = self._monotonic(), self._memory.generation
        if not (yield from self._stored(ask, taken, data, round(times.hard_seconds * 1000))):
            _explain(ask, seconds)
            return
        stats.sized(ask.family.name, len(payload.data), len(data))
        envelope = envelopes.parse(data)
        if ask.family.options.near and envelope is not None:
            header = data[:HEADER_BYTES]
            self._reader.keep(ask.key, header, envelope, payload, ask.asked, asked_at, generation)

    def _stored(self, ask: Ask, taken: Taken, data: bytes, ttl_ms: int) -> Steps[bool]:
        started = self._monotonic()
        try:
            stored = bool((yield Run(leases.store(ask.key, taken.lease, taken.versions, data, ttl_ms))))
        except RoleUnavailable:
            ask.count("error")
            return False
        finally:
            stats.timed(ask.family.name, "store", self._monotonic() - started)
        ask.count("stored" if stored else "lease_lost")
        return stored

    def _give_up(self, ask: Ask, taken: Taken) -> Steps[None]:
        try:
            yield Run(leases.give_up(ask.key, taken.lease))
        except RoleUnavailable:
            ask.count("error")

    def _fail_safe(self, ask: Ask, seen: Seen, error: BaseException) -> Payload | None:
        """The old value within its hard life: as Redis had it, else as this process last knew it."""
        payload = seen.payload
        if payload is None and (entry := self._memory.known(ask.key)) is not None and entry.asked == ask.asked:
            payload = entry.payload
        if payload is not None:
            logger.warning("%s: the factory failed, its old value is served: %r", ask.family.name, error)
            ask.count("error")
            ask.count("stale")
        return payload


def _explain(ask: Ask, seconds: float) -> None:
    if "lease_lost" in ask.events and seconds > options.lease_seconds(ask.family):
        logger.warning("%s took %.1f s and may have outlived its lease: not stored", ask.family.name, seconds)


def _ttl_seconds(ask: Ask, payload: Payload) -> float:
    ttl = lifetimes.seconds_of(ask.family, ask.ttl)
    return ttl if payload.lasting is None else min(ttl, payload.lasting)
