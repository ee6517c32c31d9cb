"""The holder of a lease stores the computed value, or releases the lease.

Yields effects (cachecore/read_through/effects.py) and performs no I/O. A failing Redis is counted, never raised.
"""

import logging
import time
from collections.abc import Callable

from cachecore import conf
from cachecore.read_through.effects import EffectGenerator, RunScript
from cachecore.read_through.request import ReadRequest
from cachecore.read_through.stored_values import StoredValueReader
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import envelope as envelopes
from cachecore.storage import leases
from cachecore.storage.encryption import NotStorable
from cachecore.storage.envelope import HEADER_BYTES, Payload
from cachecore.storage.expiry import expiry_times
from cachecore.storage.leases import Acquired
from cachecore.storage.local_cache import LocalCache
from cachecore.ttl import effective_ttl

logger = logging.getLogger(__name__)


class LeasedWriter:
    def __init__(
        self, reader: StoredValueReader, local_cache: LocalCache, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._local_cache = local_cache
        self._monotonic = monotonic

    def store(
        self, read: ReadRequest, lease: Acquired, payload: Payload, compute_seconds: float
    ) -> EffectGenerator[None]:
        """Store a value under the lease and end the lease.

        Any failure, also a cancellation, releases the lease, so that no other caller waits for its TTL.
        """
        try:
            yield from self._seal_and_store(read, lease, payload, compute_seconds)
        except GeneratorExit:
            raise
        except BaseException:
            yield from self.release(read, lease)
            raise

    def release(self, read: ReadRequest, lease: Acquired) -> EffectGenerator[None]:
        """End the lease without storing; a waiting caller takes the next one."""
        try:
            yield RunScript(leases.release(read.key, lease.content))
        except RedisUnavailable:
            read.count("error")

    def delete_value(self, read: ReadRequest) -> EffectGenerator[None]:
        """Delete the stored value, and any lease on it."""
        self._local_cache.invalidate([read.key], ())
        try:
            yield RunScript(leases.write({read.key: (b"", 0)}))
        except RedisUnavailable:
            read.count("error")

    def _seal_and_store(
        self, read: ReadRequest, lease: Acquired, payload: Payload, compute_seconds: float
    ) -> EffectGenerator[None]:
        times = expiry_times(read.family, _ttl_seconds(read, payload), payload, compute_seconds)
        try:
            data = envelopes.seal(read.key, payload, times, lease.versions)
        except NotStorable as error:
            logger.warning("A computed value was not stored: %s", error)
            read.count("refused")
            yield from self.release(read, lease)
            return
        sent_at, generation = self._monotonic(), self._local_cache.generation
        if not (yield from self._store_in_redis(read, lease, data, round(times.hard_seconds * 1000))):
            _warn_if_lease_expired(read, compute_seconds)
            return
        stats.record_size(read.family.name, len(payload.data), len(data))
        envelope = envelopes.parse(data)
        if read.family.options.local and envelope is not None:
            header = data[:HEADER_BYTES]
            self._reader.store_locally(read.key, header, envelope, payload, read.requested_tags, sent_at, generation)

    def _store_in_redis(self, read: ReadRequest, lease: Acquired, data: bytes, ttl_ms: int) -> EffectGenerator[bool]:
        started = self._monotonic()
        try:
            stored = bool((yield RunScript(leases.store(read.key, lease.content, lease.versions, data, ttl_ms))))
        except RedisUnavailable:
            read.count("error")
            return False
        finally:
            stats.record_duration(read.family.name, "store", self._monotonic() - started)
        read.count("stored" if stored else "lease_lost")
        return stored


def _warn_if_lease_expired(read: ReadRequest, compute_seconds: float) -> None:
    if "lease_lost" in read.events and compute_seconds > conf.lease_seconds(read.family):
        logger.warning(
            "A value of family %s took %.1f s, probably longer than its lease, and was not stored.",
            read.family.name,
            compute_seconds,
        )


def _ttl_seconds(read: ReadRequest, payload: Payload) -> float:
    ttl = effective_ttl.seconds_of(read.family, read.ttl)
    return ttl if payload.max_ttl_seconds is None else min(ttl, payload.max_ttl_seconds)
