"""Answer a read from this process's L1, from Redis, or by computing it (cachecore/read_through/single_flight.py).

Steps (cachecore/read_through/effects.py): no I/O here.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from cachecore import tags
from cachecore.keys import Family, Key, for_cache
from cachecore.read_through.computation import Computation
from cachecore.read_through.effects import EffectGenerator, Run
from cachecore.read_through.request import ReadRequest
from cachecore.read_through.single_flight import SingleFlight
from cachecore.read_through.stored_values import ReadResult, StoredValueReader
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import envelope as envelopes
from cachecore.storage import leases
from cachecore.storage.entries import Entry
from cachecore.storage.expiry import Freshness
from cachecore.storage.flights import Flights
from cachecore.storage.local_cache import LocalCache
from cachecore.ttl import effective_ttl
from cachecore.writes.invalidator import Invalidator

logger = logging.getLogger(__name__)

MISSING = object()


class CacheReader:
    def __init__(self, memory: LocalCache, flights: Flights, invalidator: Invalidator) -> None:
        self._memory = memory
        self._invalidator = invalidator
        self._must_bypass = invalidator.must_bypass
        self._reader = StoredValueReader(memory)
        self._computation = Computation(self._reader, memory, self._must_bypass)
        self._single_flight = SingleFlight(self._reader, flights, self._computation, self._must_bypass)

    def read_local(self, key: Key, asked: tuple[str, ...]) -> Entry | None:
        """What memory serves at once: verified, fresh, and not this caller's to verify anew."""
        if not for_cache(key).family.options.local:
            return None
        entry = self._memory.get_without_revalidating(key)
        if entry is None or entry.requested_tags != asked or self._must_bypass(key, entry.versions):
            return None
        stats.count(key.family.name, "local_hit")
        return entry

    def request(
        self,
        key: Key,
        ttl: float | str | None,
        factory: Callable[[], Any],
        asked: tuple[str, ...] = (),
        family: Family | None = None,
    ) -> ReadRequest:
        if family is not None and family is not key.family:
            raise ValueError(f"key {key} is of family {key.family.name}, not {family.name}")
        if ttl is not None:
            effective_ttl.seconds_of(key.family, ttl)  # a wrong one is an error also where there is a value
        return ReadRequest(key, ttl, factory, tags.canonical_tags(asked), asked, time.monotonic())

    def remember(self, ask: ReadRequest) -> EffectGenerator[Any]:
        """What `near` did not answer."""
        if ask.family.options.local and (entry := (yield from self._revalidated(ask.key, ask.requested_tags))):
            return value_of(entry)
        payload = yield from self._single_flight.remember(ask)
        try:
            return envelopes.unpack(ask.family, payload)
        except envelopes.UNREADABLE:
            yield from self._drop(ask.key)
            return envelopes.unpack(ask.family, (yield from self._computation.compute_uncached(ask)))

    def get(self, key: Key, default: Any, asked: tuple[str, ...]) -> EffectGenerator[Any]:
        """What `near` did not answer."""
        named = tags.canonical_tags(asked)
        if self._must_bypass(key, named.names):
            stats.count(key.family.name, "bypass")
            return default
        if key.family.options.local and (entry := (yield from self._revalidated(key, asked))):
            return value_of(entry)
        return self._value_or_default(key, (yield from self._reader.read(key, named, asked)), default)

    def get_many(self, keys: Sequence[Key]) -> EffectGenerator[dict[Key, Any]]:
        seen = (yield from self._reader.read_many(keys)) if keys else {}
        answers = {key: self._value_or_default(key, seen[key], MISSING) for key in keys}
        return {key: value for key, value in answers.items() if value is not MISSING}

    def _revalidated(self, key: Key, asked: tuple[str, ...]) -> EffectGenerator[Entry | None]:
        """From memory, after asking whether it still stands if it is time for that."""
        known = self._memory.get_unexpired(key)
        if known is not None and self._memory.claim_revalidation(known):
            yield from self._reader.revalidate(known)
        entry = self._memory.get_fresh(key)
        if entry is None or entry.requested_tags != asked or self._must_bypass(key, entry.versions):
            return None
        stats.count(key.family.name, "local_hit")
        return entry

    def _value_or_default(self, key: Key, seen: ReadResult, default: Any) -> Any:
        if seen.payload is None or self._must_bypass(key, seen.tags):
            stats.count(key.family.name, "miss")
            return default
        try:
            value = envelopes.unpack(key.family, seen.payload)
        except envelopes.UNREADABLE:
            stats.count(key.family.name, "miss")
            return default
        stats.count(key.family.name, "stale" if seen.freshness is Freshness.STALE else "hit")
        return value

    def _drop(self, key: Key) -> EffectGenerator[None]:
        """A value that cannot be read: damaged, or of another release's type."""
        logger.warning("%s: a stored value cannot be read and is dropped", key.family.name)
        self._invalidator.drop_local_state([key], ())
        with suppress(RedisUnavailable):
            yield Run(leases.write({key: (b"", 0)}))


def value_of(entry: Entry) -> Any:
    """One that nobody else sees, unless it cannot be changed."""
    return entry.value if entry.shared else envelopes.unpack(entry.key.family, entry.payload)
