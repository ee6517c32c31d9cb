"""Computing a value: for the holder of a lease, who stores it, or for one caller alone; and what if it fails.

Steps (cachecore/read_through/effects.py): no I/O here. Storing is keeping.py, what stands in for a failure failing.py.
"""

import time
from collections.abc import Callable

from cachecore.keys import Family, Key
from cachecore.read_through import stale_if_error
from cachecore.read_through.effects import Compute, Steps
from cachecore.read_through.leased_writes import Keeper
from cachecore.read_through.request import Ask
from cachecore.read_through.stale_if_error import GONE
from cachecore.read_through.stored_values import Reader, Seen
from cachecore.stats import stats
from cachecore.storage import envelope as envelopes
from cachecore.storage.envelope import Payload
from cachecore.storage.leases import Taken
from cachecore.storage.local_cache import LocalCache
from cachecore.writes import uncommitted

Closed = Callable[[Key, tuple[str, ...]], bool]


class Computer:
    """`closed` says whether a key may not be read or stored now (an open transaction, an unpaid invalidation)."""

    def __init__(
        self, reader: Reader, memory: LocalCache, closed: Closed, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._keeper = Keeper(reader, memory, monotonic)
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
        except Exception as error:
            if old := stale_if_error.instead(ask, seen, self._memory, error):
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
            yield from self._keeper.give_up(ask, taken)
        else:
            yield from self._keeper.store(ask, taken, payload, seconds)
        return payload

    def _instead(self, ask: Ask, seen: Seen, taken: Taken, error: BaseException) -> Steps[Payload]:
        """Of a value that was not computed: the old one, if there is one and `error` is a failure. Else raises it."""
        if isinstance(error, GONE) and seen.payload is not None:
            yield from self._keeper.forget(ask)
            raise error
        old = stale_if_error.instead(ask, seen, self._memory, error)
        # Where everybody has the old value the lease stands until its end: one try a lease, not one a read.
        if old is None or seen.payload is None:
            yield from self._keeper.give_up(ask, taken)
        if old is None:
            raise error
        return old

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
