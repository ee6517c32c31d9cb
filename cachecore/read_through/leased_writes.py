"""What the holder of a lease does with it: store what was computed under it, or give it up.

Steps (cachecore/read_through/effects.py): no I/O here. A Redis that fails is counted, never raised.
"""

import logging
import time
from collections.abc import Callable

from cachecore import conf
from cachecore.read_through.effects import EffectGenerator, Run
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
        self, reader: StoredValueReader, memory: LocalCache, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._memory = memory
        self._monotonic = monotonic

    def store(self, ask: ReadRequest, taken: Acquired, payload: Payload, seconds: float) -> EffectGenerator[None]:
        """`seconds` to compute it. Whatever fails, a cancellation too, ends the lease: nobody waits for its marker."""
        try:
            yield from self._seal_and_store(ask, taken, payload, seconds)
        except GeneratorExit:
            raise
        except BaseException:
            yield from self.release(ask, taken)
            raise

    def release(self, ask: ReadRequest, taken: Acquired) -> EffectGenerator[None]:
        """Nothing is stored; who waits takes the lease."""
        try:
            yield Run(leases.release(ask.key, taken.lease))
        except RedisUnavailable:
            ask.count("error")

    def delete_value(self, ask: ReadRequest) -> EffectGenerator[None]:
        """There is nothing any more: the old value goes, and leases with it."""
        self._memory.invalidate([ask.key], ())
        try:
            yield Run(leases.write({ask.key: (b"", 0)}))
        except RedisUnavailable:
            ask.count("error")

    def _seal_and_store(
        self, ask: ReadRequest, taken: Acquired, payload: Payload, seconds: float
    ) -> EffectGenerator[None]:
        times = expiry_times(ask.family, _ttl_seconds(ask, payload), payload, seconds)
        try:
            data = envelopes.seal(ask.key, payload, times, taken.versions)
        except NotStorable as error:
            logger.warning("not stored: %s", error)
            ask.count("refused")
            yield from self.release(ask, taken)
            return
        asked_at, generation = self._monotonic(), self._memory.generation
        if not (yield from self._stored(ask, taken, data, round(times.hard_seconds * 1000))):
            _warn_if_lease_expired(ask, seconds)
            return
        stats.record_size(ask.family.name, len(payload.data), len(data))
        envelope = envelopes.parse(data)
        if ask.family.options.local and envelope is not None:
            header = data[:HEADER_BYTES]
            self._reader.store_locally(ask.key, header, envelope, payload, ask.requested_tags, asked_at, generation)

    def _stored(self, ask: ReadRequest, taken: Acquired, data: bytes, ttl_ms: int) -> EffectGenerator[bool]:
        started = self._monotonic()
        try:
            stored = bool((yield Run(leases.store(ask.key, taken.lease, taken.versions, data, ttl_ms))))
        except RedisUnavailable:
            ask.count("error")
            return False
        finally:
            stats.record_duration(ask.family.name, "store", self._monotonic() - started)
        ask.count("stored" if stored else "lease_lost")
        return stored


def _warn_if_lease_expired(ask: ReadRequest, seconds: float) -> None:
    if "lease_lost" in ask.events and seconds > conf.lease_seconds(ask.family):
        logger.warning("%s took %.1f s and may have outlived its lease: not stored", ask.family.name, seconds)


def _ttl_seconds(ask: ReadRequest, payload: Payload) -> float:
    ttl = effective_ttl.seconds_of(ask.family, ask.ttl)
    return ttl if payload.lasting is None else min(ttl, payload.lasting)
