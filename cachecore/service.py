"""The cache service: values that are never stored stale, computed once, invalidated by tag in O(1).

    from cachecore.service import cache

    profile = cache.remember(PROFILE.key(id=7), None, lambda: load(7), tags=["user:7"])
    cache.invalidate_tag("user:7")

A Redis that fails never fails a read: the factory answers. Setting fails silently and is counted; invalidating fails
loudly (RedisUnavailable), for whoever writes must know. docs/cachecore.md has the whole table.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from cachecore import conf, pubsub
from cachecore.keys import Family, Key, for_cache
from cachecore.pubsub import Message
from cachecore.read_through.effects import drive
from cachecore.read_through.prefilling import WarmupEntry, WarmupReport, warm_up
from cachecore.read_through.reader import MISSING, CacheReader, value_of
from cachecore.read_through.request import Outcome, outcome
from cachecore.read_through.single_flight import FactoryTimeout
from cachecore.read_through.stale_if_error import DoNotServeStale
from cachecore.read_through.sync_driver import BlockingDriver
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import clearing, redis_writes
from cachecore.storage.encryption import EncryptionKeyMissing, NotStorable
from cachecore.storage.envelope import NOT_FOUND, NotFound, ValueTooLarge
from cachecore.storage.flights import Flights
from cachecore.storage.local_cache import LocalCache
from cachecore.tags import canonical, listed
from cachecore.writes.invalidator import Invalidator
from cachecore.writes.writer import ValueWriter

__all__ = [
    "NOT_FOUND", "Cache", "DoNotServeStale", "EncryptionKeyMissing", "FactoryTimeout", "NotFound", "NotStorable",
    "RedisUnavailable", "RememberResult", "Status", "ValueTooLarge", "WarmupEntry", "WarmupReport", "cache",
]  # fmt: skip

T = TypeVar("T")


class RememberResult(NamedTuple):
    value: Any
    outcome: Outcome


class Status(NamedTuple):
    """This process's cache; what was counted is in `cachecore.stats.stats.snapshot()`."""

    local_entries: int
    local_bytes: int
    breaker: str
    pending_invalidations: int
    counted: Any


class Cache:
    """Over the cache role. One per process is enough: `cache` below.

    Reading is `serving.py`, writing `storing.py`, invalidating `invalidating.py`; this is what callers see of them.
    """

    reader: CacheReader  # for whoever drives its steps in another way (cachecore/async_cache.py)

    def __init__(
        self, *, local_bytes: int | None = None, local_seconds: float | None = None, listens: bool = False
    ) -> None:
        """`listens`: acts on word of other processes' invalidations, from the first value that its memory keeps."""
        self._local_bytes = local_bytes
        self._local_seconds = local_seconds
        self._listens = listens
        self.forget()

    # Reading

    def remember(
        self,
        key: Key,
        ttl: float | str | None,
        factory: Callable[[], Any],
        *,
        tags: Sequence[str] = (),
        family: Family | None = None,
    ) -> Any:
        """The value under `key`, computed by `factory` when there is none that counts.

        `ttl`: seconds, a tier's name, or None for the family's (CACHE_TTLS, tuning). Raises what the factory raises,
        when there is no old value to serve; FactoryTimeout; never RedisUnavailable.
        """
        asked, server = listed(tags), self.reader
        if (entry := server.read_local(key, asked)) is not None:
            return value_of(entry)
        return drive(server.remember(server.request(key, ttl, factory, asked, family)), self._driver)

    def remember_with_outcome(self, key: Key, factory: Callable[[], Any]) -> RememberResult:
        """`remember` with the family's TTL and no tags, and how it went."""
        ask = self.reader.request(for_cache(key), None, factory)
        return RememberResult(drive(self.reader.remember(ask), self._driver), outcome(ask.events))

    def get(self, key: Key, default: Any = None, *, tags: Sequence[str] = ()) -> Any:
        """The value, NOT_FOUND if that was stored, or `default`. Naming the tags saves a round trip."""
        asked = listed(tags)
        if (entry := self.reader.read_local(key, asked)) is not None:
            return value_of(entry)
        return drive(self.reader.get(key, default, asked), self._driver)

    def get_many(self, keys: Iterable[Key]) -> dict[Key, Any]:
        """Those that are there, in two round trips."""
        wanted = [for_cache(key) for key in dict.fromkeys(keys)]
        return drive(self.reader.get_many(wanted), self._driver)

    def exists(self, key: Key) -> bool:
        return self.get(key, MISSING) is not MISSING

    # Writing

    def set(self, key: Key, value: Any, ttl: float | str | None = None, *, tags: Sequence[str] = ()) -> bool:
        """Store it, whatever stood there; whether it was stored. What was read from a database belongs in `remember`.

        In a transaction: when it commits (False), unless it invalidates the key or a tag. Raises NotStorable,
        TypeError.
        """
        return self.set_many({key: value}, ttl, tags=tags) == 1

    def set_many(self, values: Mapping[Key, Any], ttl: float | str | None = None, *, tags: Sequence[str] = ()) -> int:
        """How many were stored: all, or none while Redis is away or where they wait for a transaction's commit."""
        checked = {for_cache(key): value for key, value in values.items()}
        return self._writer.set_many(checked, ttl, canonical(tags))

    def write_through(
        self,
        key: Key,
        value: Any,
        save: Callable[[], T],
        ttl: float | str | None = None,
        *,
        tags: Sequence[str] = (),
        using: str | None = None,
    ) -> T:
        """Save, then store; what `save` returned. Two writers at once leave nothing stored rather than the wrong one.

        Tags that `save` itself invalidates, as a `Cached` of the model does, do not keep the value from being stored.
        In a transaction the value is only invalidated, on commit. Raises what `save` raises (nothing is stored then),
        and RedisUnavailable when the old value could be neither replaced nor deleted: it was saved all the same.
        """
        return self._writer.write_through(for_cache(key), value, save, ttl, canonical(tags), using)

    def delete(self, key: Key, *, using: str | None = None) -> int:
        return self.delete_many([key], using=using)

    def delete_many(self, keys: Iterable[Key], *, using: str | None = None) -> int:
        """How many stood there; 0 where an open transaction deletes on commit. Raises RedisUnavailable."""
        return self._invalidator.delete(map(for_cache, keys), using)

    def increment(self, key: Key, amount: int = 1, ttl: float | str | None = None) -> int:
        """Add to a counter, which lives its TTL from its beginning; in clear, so not in a sensitive family.

        Raises RedisUnavailable, for a count is not made up; NotStorable.
        """
        return self._writer.increment(for_cache(key), amount, ttl)

    # Invalidating

    def invalidate_tag(self, tag: str, *, using: str | None = None) -> None:
        self.invalidate_tags([tag], using=using)

    def invalidate_tags(self, tags: Iterable[str], *, using: str | None = None) -> None:
        """Whatever was stored, or is being computed, under a tag counts no more. One write a tag.

        In a transaction: on commit; until then this thread neither reads nor stores what hangs on them. Raises
        RedisUnavailable outside of a transaction.
        """
        self._invalidator.invalidate_tags(tags, using)

    def clear(self, what: Family | str | None = None) -> int:
        """Delete a family's values, those under a prefix (within a family), or None: all of ours; how many.

        What is being computed meanwhile, in whatever process, is not stored. For operators: O(keys of the server).
        Raises ValueError for what is not of the cache role, RedisUnavailable.
        """
        return self._invalidator.clear(clearing.prefixes_of(what))

    # Operating

    def warm(self, entries: Iterable[WarmupEntry]) -> WarmupReport:
        """Compute what is not there. One that fails is logged and does not keep the others from being warmed."""
        return warm_up(self.remember, entries)

    def stats(self) -> Status:
        return Status(
            len(self._memory),
            self._memory.bytes,
            connections.breaker("cache").state,
            len(self._invalidator.retry_queue),
            stats.snapshot(),
        )

    def on_invalidation_message(self, message: bytes) -> None:
        """Word of another process's invalidation (channel `cache-invalidate`): act before the bound makes us."""
        self._invalidator.on_invalidation_message(redis_writes.parse_message(message))

    def forget(self) -> None:
        """Nothing remembered, nothing under way; also in a forked child, whose threads and locks are the parent's."""
        self._memory = LocalCache(
            self._local_bytes or conf.local_bytes(),
            self._local_seconds or conf.local_seconds(),
            on_first=self._listen,
        )
        self._flights = Flights()
        self._invalidator = Invalidator(self._memory, self._flights)
        self.reader = CacheReader(self._memory, self._flights, self._invalidator)
        self._writer = ValueWriter(self._invalidator)
        self._driver = BlockingDriver()

    def _listen(self) -> None:
        if self._listens:
            pubsub.subscribe(redis_writes.CHANNEL, self._heard)

    def _heard(self, message: Message) -> None:
        self._invalidator.on_invalidation_message(msgspec.convert(message.data, redis_writes.InvalidationMessage))


cache = Cache(listens=True)
os.register_at_fork(after_in_child=cache.forget)
