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
from cachecore.read_through.computation import Computer
from cachecore.read_through.effects import Run, Steps
from cachecore.read_through.request import Ask
from cachecore.read_through.single_flight import Filler
from cachecore.read_through.stored_values import Reader, Seen
from cachecore.redis_client.connections import RoleUnavailable
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


class Server:
    def __init__(self, memory: LocalCache, flights: Flights, invalidator: Invalidator) -> None:
        self._memory = memory
        self._invalidator = invalidator
        self._closed = invalidator.closed
        self._reader = Reader(memory)
        self._computer = Computer(self._reader, memory, self._closed)
        self._filler = Filler(self._reader, flights, self._computer, self._closed)

    def near(self, key: Key, asked: tuple[str, ...]) -> Entry | None:
        """What memory serves at once: verified, fresh, and not this caller's to verify anew."""
        if not for_cache(key).family.options.near:
            return None
        entry = self._memory.served(key)
        if entry is None or entry.asked != asked or self._closed(key, entry.versions):
            return None
        stats.count(key.family.name, "local_hit")
        return entry

    def ask(
        self,
        key: Key,
        ttl: float | str | None,
        factory: Callable[[], Any],
        asked: tuple[str, ...] = (),
        family: Family | None = None,
    ) -> Ask:
        if family is not None and family is not key.family:
            raise ValueError(f"key {key} is of family {key.family.name}, not {family.name}")
        if ttl is not None:
            effective_ttl.seconds_of(key.family, ttl)  # a wrong one is an error also where there is a value
        return Ask(key, ttl, factory, tags.named(asked), asked, time.monotonic())

    def remember(self, ask: Ask) -> Steps[Any]:
        """What `near` did not answer."""
        if ask.family.options.near and (entry := (yield from self._verified(ask.key, ask.asked))):
            return value_of(entry)
        payload = yield from self._filler.remember(ask)
        try:
            return envelopes.unpack(ask.family, payload)
        except envelopes.UNREADABLE:
            yield from self._drop(ask.key)
            return envelopes.unpack(ask.family, (yield from self._computer.alone(ask)))

    def get(self, key: Key, default: Any, asked: tuple[str, ...]) -> Steps[Any]:
        """What `near` did not answer."""
        named = tags.named(asked)
        if self._closed(key, named.tags):
            stats.count(key.family.name, "bypass")
            return default
        if key.family.options.near and (entry := (yield from self._verified(key, asked))):
            return value_of(entry)
        return self._answered(key, (yield from self._reader.look(key, named, asked)), default)

    def get_many(self, keys: Sequence[Key]) -> Steps[dict[Key, Any]]:
        seen = (yield from self._reader.look_many(keys)) if keys else {}
        answers = {key: self._answered(key, seen[key], MISSING) for key in keys}
        return {key: value for key, value in answers.items() if value is not MISSING}

    def _verified(self, key: Key, asked: tuple[str, ...]) -> Steps[Entry | None]:
        """From memory, after asking whether it still stands if it is time for that."""
        known = self._memory.known(key)
        if known is not None and self._memory.due(known):
            yield from self._reader.verify(known)
        entry = self._memory.fresh(key)
        if entry is None or entry.asked != asked or self._closed(key, entry.versions):
            return None
        stats.count(key.family.name, "local_hit")
        return entry

    def _answered(self, key: Key, seen: Seen, default: Any) -> Any:
        if seen.payload is None or self._closed(key, seen.tags):
            stats.count(key.family.name, "miss")
            return default
        try:
            value = envelopes.unpack(key.family, seen.payload)
        except envelopes.UNREADABLE:
            stats.count(key.family.name, "miss")
            return default
        stats.count(key.family.name, "stale" if seen.freshness is Freshness.STALE else "hit")
        return value

    def _drop(self, key: Key) -> Steps[None]:
        """A value that cannot be read: damaged, or of another release's type."""
        logger.warning("%s: a stored value cannot be read and is dropped", key.family.name)
        self._invalidator.begin_anew([key], ())
        with suppress(RoleUnavailable):
            yield Run(leases.write({key: (b"", 0)}))


def value_of(entry: Entry) -> Any:
    """One that nobody else sees, unless it cannot be changed."""
    return entry.value if entry.shared else envelopes.unpack(entry.key.family, entry.payload)
