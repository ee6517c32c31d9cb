"""Answer a read from the local cache (L1), from Redis, or by computing it (cachecore/read_through/single_flight.py).

Yields effects (cachecore/read_through/effects.py) and performs no I/O.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from cachecore import tags
from cachecore.keys import Family, Key, require_cache_key
from cachecore.read_through.computation import Computation
from cachecore.read_through.effects import EffectGenerator, RunScript
from cachecore.read_through.request import ReadRequest
from cachecore.read_through.single_flight import SingleFlight
from cachecore.read_through.stored_values import ReadResult, StoredValueReader
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import envelope as envelopes
from cachecore.storage import leases
from cachecore.storage.expiry import Freshness
from cachecore.storage.flights import Flights
from cachecore.storage.local_cache import Entry, LocalCache
from cachecore.ttl import effective_ttl
from cachecore.writes.invalidator import Invalidator

logger = logging.getLogger(__name__)

MISSING = object()


class CacheReader:
    def __init__(self, local_cache: LocalCache, flights: Flights, invalidator: Invalidator) -> None:
        self._local_cache = local_cache
        self._invalidator = invalidator
        self._must_bypass = invalidator.must_bypass
        self._reader = StoredValueReader(local_cache)
        self._computation = Computation(self._reader, local_cache, self._must_bypass)
        self._single_flight = SingleFlight(self._reader, flights, self._computation, self._must_bypass)

    def read_local(self, key: Key, requested_tags: tuple[str, ...]) -> Entry | None:
        """Return a local entry that can be served without any I/O: fresh, and not due for revalidation."""
        if not require_cache_key(key).family.options.local:
            return None
        entry = self._local_cache.get_without_revalidating(key)
        if entry is None or entry.requested_tags != requested_tags or self._must_bypass(key, entry.versions):
            return None
        stats.count(key.family.name, "local_hit")
        return entry

    def request(
        self,
        key: Key,
        ttl: float | str | None,
        factory: Callable[[], Any],
        requested_tags: tuple[str, ...] = (),
        family: Family | None = None,
    ) -> ReadRequest:
        """Check the arguments of a `remember` and return its request. Raises ValueError, TypeError."""
        if family is not None and family is not key.family:
            raise ValueError(f"The key {key} is of family {key.family.name}, not {family.name}.")
        if ttl is not None:
            effective_ttl.seconds_of(key.family, ttl)  # raise for a wrong TTL even if the value is cached
        return ReadRequest(key, ttl, factory, tags.canonical_tags(requested_tags), requested_tags, time.monotonic())

    def remember(self, read: ReadRequest) -> EffectGenerator[Any]:
        """Return the value, computed if necessary. Call it after `read_local` has returned None."""
        if read.family.options.local and (entry := (yield from self._revalidated(read.key, read.requested_tags))):
            return value_of(entry)
        payload = yield from self._single_flight.remember(read)
        try:
            return envelopes.unpack(read.family, payload)
        except envelopes.UNREADABLE:
            yield from self._delete_unreadable(read.key)
            return envelopes.unpack(read.family, (yield from self._computation.compute_uncached(read)))

    def get(self, key: Key, default: Any, requested_tags: tuple[str, ...]) -> EffectGenerator[Any]:
        """Return the cached value or the default. Call it after `read_local` has returned None."""
        canonical_tags = tags.canonical_tags(requested_tags)
        if self._must_bypass(key, canonical_tags.names):
            stats.count(key.family.name, "bypass")
            return default
        if key.family.options.local and (entry := (yield from self._revalidated(key, requested_tags))):
            return value_of(entry)
        return self._value_or_default(key, (yield from self._reader.read(key, canonical_tags, requested_tags)), default)

    def get_many(self, keys: Sequence[Key]) -> EffectGenerator[dict[Key, Any]]:
        """Return the values that are cached."""
        results = (yield from self._reader.read_many(keys)) if keys else {}
        values = {key: self._value_or_default(key, results[key], MISSING) for key in keys}
        return {key: value for key, value in values.items() if value is not MISSING}

    def _revalidated(self, key: Key, requested_tags: tuple[str, ...]) -> EffectGenerator[Entry | None]:
        """Return the local entry, after revalidating it if it is due."""
        unexpired = self._local_cache.get_unexpired(key)
        if unexpired is not None and self._local_cache.claim_revalidation(unexpired):
            yield from self._reader.revalidate(unexpired)
        entry = self._local_cache.get_fresh(key)
        if entry is None or entry.requested_tags != requested_tags or self._must_bypass(key, entry.versions):
            return None
        stats.count(key.family.name, "local_hit")
        return entry

    def _value_or_default(self, key: Key, stored: ReadResult, default: Any) -> Any:
        if stored.payload is None or self._must_bypass(key, stored.tags):
            stats.count(key.family.name, "miss")
            return default
        try:
            value = envelopes.unpack(key.family, stored.payload)
        except envelopes.UNREADABLE:
            stats.count(key.family.name, "miss")
            return default
        stats.count(key.family.name, "stale" if stored.freshness is Freshness.STALE else "hit")
        return value

    def _delete_unreadable(self, key: Key) -> EffectGenerator[None]:
        """Delete a value that is damaged or of another release's type."""
        logger.warning("A stored value of family %s cannot be read and is deleted.", key.family.name)
        self._invalidator.drop_local_state([key], ())
        with suppress(RedisUnavailable):
            yield RunScript(leases.write({key: (b"", 0)}))


def value_of(entry: Entry) -> Any:
    """Return the value of a local entry; a new object for each caller unless it is immutable."""
    return entry.value if entry.immutable else envelopes.unpack(entry.key.family, entry.payload)
