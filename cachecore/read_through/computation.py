"""Computing a value: for the holder of a lease, who stores it, or for one caller alone; and what if it fails.

Steps (cachecore/read_through/effects.py): no I/O here. Storing is keeping.py, what stands in for a failure failing.py.
"""

import time
from collections.abc import Callable

from cachecore.keys import Family, Key
from cachecore.read_through import stale_if_error
from cachecore.read_through.effects import Compute, EffectGenerator
from cachecore.read_through.leased_writes import LeasedWriter
from cachecore.read_through.request import ReadRequest
from cachecore.read_through.stale_if_error import AUTHORITATIVE_ERRORS
from cachecore.read_through.stored_values import ReadResult, StoredValueReader
from cachecore.stats import stats
from cachecore.storage import envelope as envelopes
from cachecore.storage.envelope import Payload
from cachecore.storage.leases import Acquired
from cachecore.storage.local_cache import LocalCache
from cachecore.writes import uncommitted

MustBypass = Callable[[Key, tuple[str, ...]], bool]


class Computation:
    """`closed` says whether a key may not be read or stored now (an open transaction, an unpaid invalidation)."""

    def __init__(
        self,
        reader: StoredValueReader,
        memory: LocalCache,
        closed: MustBypass,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leased_writer = LeasedWriter(reader, memory, monotonic)
        self._memory = memory
        self._must_bypass = closed
        self._monotonic = monotonic
        self._compute_seconds: dict[str, float] = {}  # by family, seconds

    def last_compute_seconds(self, family: Family) -> float:
        """Its last computation here: what takes longer than its lease is stored the second time."""
        return self._compute_seconds.get(family.name, 0.0)

    def compute_uncached(self, ask: ReadRequest) -> EffectGenerator[Payload]:
        """For this caller only; nothing is read or stored."""
        ask.count("bypass")
        return (yield from self._compute(ask))[0]

    def compute_or_stale(self, ask: ReadRequest, seen: ReadResult) -> EffectGenerator[Payload]:
        """Redis is away, or the others are not to be waited for."""
        try:
            return (yield from self.compute_uncached(ask))
        except Exception as error:
            if old := stale_if_error.stale_fallback(ask, seen, self._memory, error):
                return old
            raise

    def compute_and_store(self, ask: ReadRequest, seen: ReadResult, taken: Acquired) -> EffectGenerator[Payload]:
        try:
            payload, seconds = yield from self._compute(ask)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  raised again, where no old value stands in for it
            return (yield from self._stale_fallback(ask, seen, taken, error))
        ask.count("miss")
        if seen.payload is not None:
            ask.count("refreshed")
        if (
            self._must_bypass(ask.key, ask.canonical_tags.names) or uncommitted.has_uncommitted_writes()
        ):  # the factory itself has written
            yield from self._leased_writer.release(ask, taken)
        else:
            yield from self._leased_writer.store(ask, taken, payload, seconds)
        return payload

    def _stale_fallback(
        self, ask: ReadRequest, seen: ReadResult, taken: Acquired, error: BaseException
    ) -> EffectGenerator[Payload]:
        """Of a value that was not computed: the old one, if there is one and `error` is a failure. Else raises it."""
        if isinstance(error, AUTHORITATIVE_ERRORS) and seen.payload is not None:
            yield from self._leased_writer.delete_value(ask)
            raise error
        old = stale_if_error.stale_fallback(ask, seen, self._memory, error)
        # Where everybody has the old value the lease stands until its end: one try a lease, not one a read.
        if old is None or seen.payload is None:
            yield from self._leased_writer.release(ask, taken)
        if old is None:
            raise error
        return old

    def _compute(self, ask: ReadRequest) -> EffectGenerator[tuple[Payload, float]]:
        """The value goes through its encoding at once: a miss answers exactly what a hit will."""
        started = self._monotonic()
        value = yield Compute(ask.key, ask.factory)
        self._compute_seconds[ask.family.name] = seconds = self._monotonic() - started
        stats.record_duration(ask.family.name, "compute", seconds)
        payload = envelopes.pack(ask.family, value)
        if payload.negative:
            ask.count("negative")
        return payload, seconds
