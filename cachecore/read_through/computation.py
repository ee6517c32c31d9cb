"""Compute values: under a lease and stored, or for one caller only; and fall back to a stale value on failure.

Yields effects (cachecore/read_through/effects.py) and performs no I/O.
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
from cachecore.writes import transactions

MustBypass = Callable[[Key, tuple[str, ...]], bool]


class Computation:
    """`must_bypass` returns True if a key must be neither read nor stored now (`Invalidator.must_bypass`)."""

    def __init__(
        self,
        reader: StoredValueReader,
        local_cache: LocalCache,
        must_bypass: MustBypass,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leased_writer = LeasedWriter(reader, local_cache, monotonic)
        self._local_cache = local_cache
        self._must_bypass = must_bypass
        self._monotonic = monotonic
        self._compute_seconds: dict[str, float] = {}  # by family

    def last_compute_seconds(self, family: Family) -> float:
        """Return how long the family's last computation in this process took.

        The next lease is made longer by it: a value that takes longer than its lease is stored the second time.
        """
        return self._compute_seconds.get(family.name, 0.0)

    def compute_uncached(self, read: ReadRequest) -> EffectGenerator[Payload]:
        """Compute for this caller only: neither read nor store (bypass)."""
        read.count("bypass")
        return (yield from self._compute(read))[0]

    def compute_or_stale(self, read: ReadRequest, stored: ReadResult) -> EffectGenerator[Payload]:
        """Compute without storing; fall back to a stale value if the factory fails.

        For callers without a lease: Redis is unavailable, or they have waited long enough for another's computation.
        """
        try:
            return (yield from self.compute_uncached(read))
        except Exception as error:
            if stale := stale_if_error.stale_fallback(read, stored, self._local_cache, error):
                return stale
            raise

    def compute_and_store(self, read: ReadRequest, stored: ReadResult, lease: Acquired) -> EffectGenerator[Payload]:
        """Compute and store under a lease; fall back to a stale value if the factory fails."""
        try:
            payload, seconds = yield from self._compute(read)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  raised again unless a stale value is served instead
            return (yield from self._stale_fallback(read, stored, lease, error))
        read.count("miss")
        if stored.payload is not None:
            read.count("refreshed")
        if (
            self._must_bypass(read.key, read.canonical_tags.names) or transactions.has_uncommitted_writes()
        ):  # the factory itself has written
            yield from self._leased_writer.release(read, lease)
        else:
            yield from self._leased_writer.store(read, lease, payload, seconds)
        return payload

    def _stale_fallback(
        self, read: ReadRequest, stored: ReadResult, lease: Acquired, error: BaseException
    ) -> EffectGenerator[Payload]:
        """Return the stale value for a failed factory. Raises `error` if there is none or it is authoritative."""
        if isinstance(error, AUTHORITATIVE_ERRORS) and stored.payload is not None:
            yield from self._leased_writer.delete_value(read)
            raise error
        stale = stale_if_error.stale_fallback(read, stored, self._local_cache, error)
        # Keep the lease while Redis has a stale value, so that a failing factory is retried once per lease instead of
        # on every read.
        if stale is None or stored.payload is None:
            yield from self._leased_writer.release(read, lease)
        if stale is None:
            raise error
        return stale

    def _compute(self, read: ReadRequest) -> EffectGenerator[tuple[Payload, float]]:
        """Call the factory and encode its value, so that a miss returns exactly what a hit will."""
        started = self._monotonic()
        value = yield Compute(read.key, read.factory)
        self._compute_seconds[read.family.name] = seconds = self._monotonic() - started
        stats.record_duration(read.family.name, "compute", seconds)
        payload = envelopes.pack(read.family, value)
        if payload.negative:
            read.count("negative")
        return payload, seconds
