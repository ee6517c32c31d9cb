"""The cache service: values are never stored stale, computed once, and invalidated by tag in O(1).

    from cachecore.service import cache

    profile = cache.remember(PROFILE.key(id=7), None, lambda: load(7), tags=["user:7"])
    cache.invalidate_tag("user:7")

An unavailable Redis never fails a read: the factory computes the value. A failed `set` is counted and returns False. A
failed invalidation raises RedisUnavailable, because its caller must know. docs/cachecore.md lists all failure modes.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from django.utils.asyncio import async_unsafe

from cachecore import conf, pubsub
from cachecore.keys import Family, Key, require_cache_key
from cachecore.pubsub import Message
from cachecore.read_through.effects import drive
from cachecore.read_through.reader import MISSING, CacheReader, value_of
from cachecore.read_through.request import Outcome, outcome
from cachecore.read_through.single_flight import FactoryTimeout
from cachecore.read_through.stale_if_error import DoNotServeStale
from cachecore.read_through.sync_driver import BLOCKS_EVENT_LOOP, BlockingDriver
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import clearing, redis_writes
from cachecore.storage.encryption import EncryptionKeyMissing, NotStorable
from cachecore.storage.envelope import NOT_FOUND, NotFound, ValueTooLarge
from cachecore.storage.flights import Flights
from cachecore.storage.local_cache import LocalCache
from cachecore.tags import as_tuple, canonical
from cachecore.writes.invalidator import Invalidator
from cachecore.writes.writer import ValueWriter

__all__ = [
    "NOT_FOUND", "Cache", "DoNotServeStale", "EncryptionKeyMissing", "FactoryTimeout", "NotFound", "NotStorable",
    "RedisUnavailable", "RememberResult", "Status", "ValueTooLarge", "WarmupEntry", "WarmupReport", "cache",
]  # fmt: skip

logger = logging.getLogger(__name__)

T = TypeVar("T")


class RememberResult(NamedTuple):
    value: Any
    outcome: Outcome


class WarmupEntry(NamedTuple):
    """A value that `warm` computes if it is not cached. `ttl` as in `remember`."""

    key: Key
    factory: Callable[[], Any]
    ttl: float | str | None = None
    tags: Sequence[str] = ()


class WarmupReport(NamedTuple):
    computed: int
    already_cached: int
    failed: int


class Status(NamedTuple):
    """The state of this process's cache. `counted` are the statistics of all processes."""

    local_entries: int
    local_bytes: int
    breaker: str
    pending_invalidations: int
    counted: Any


class Cache:
    """The cache on the cache role. One instance per process is enough: `cache` below.

    Reads are in read_through/reader.py, writes in writes/writer.py, invalidations in writes/invalidator.py. This class
    is their public interface.
    """

    reader: CacheReader  # for other drivers of its effects (cachecore/async_cache.py)

    def __init__(
        self, *, local_bytes: int | None = None, local_seconds: float | None = None, subscribe: bool = False
    ) -> None:
        """Create a cache. `subscribe`: receive invalidation messages of other processes once it has a local entry."""
        self._local_bytes = local_bytes
        self._local_seconds = local_seconds
        self._subscribes = subscribe
        self.reset()

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
        """Return the value of `key`; compute and store it by `factory` if it is missing, expired or invalidated.

        `ttl`: seconds, a tier's name, or None for the family's (CACHE_TTLS, tuning). Raises what the factory raises if
        there is no stale value to serve, and FactoryTimeout. Never raises RedisUnavailable.
        """
        requested_tags, reader = as_tuple(tags), self.reader
        if (entry := reader.read_local(key, requested_tags)) is not None:
            return value_of(entry)
        return drive(reader.remember(reader.request(key, ttl, factory, requested_tags, family)), self._driver)

    def remember_with_outcome(self, key: Key, factory: Callable[[], Any]) -> RememberResult:
        """Call `remember` with the family's TTL and no tags; return the value and its outcome."""
        read = self.reader.request(require_cache_key(key), None, factory)
        return RememberResult(drive(self.reader.remember(read), self._driver), outcome(read.events))

    def get(self, key: Key, default: Any = None, *, tags: Sequence[str] = ()) -> Any:
        """Return the value, NOT_FOUND if that was stored, or `default`. Naming the tags saves a round trip."""
        requested_tags = as_tuple(tags)
        if (entry := self.reader.read_local(key, requested_tags)) is not None:
            return value_of(entry)
        return drive(self.reader.get(key, default, requested_tags), self._driver)

    def get_many(self, keys: Iterable[Key]) -> dict[Key, Any]:
        """Return the values that are cached, in two round trips."""
        unique = [require_cache_key(key) for key in dict.fromkeys(keys)]
        return drive(self.reader.get_many(unique), self._driver)

    def exists(self, key: Key) -> bool:
        """Return True if `get` would find a value."""
        return self.get(key, MISSING) is not MISSING

    # Writing

    def set(self, key: Key, value: Any, ttl: float | str | None = None, *, tags: Sequence[str] = ()) -> bool:
        """Store a value, replacing any other; return True if it was stored. Use `remember` for rows of a database.

        In a transaction it is stored on commit (returns False), unless the transaction invalidates the key or a tag.
        Raises NotStorable, TypeError.
        """
        return self.set_many({key: value}, ttl, tags=tags) == 1

    @async_unsafe(BLOCKS_EVENT_LOOP)
    def set_many(self, values: Mapping[Key, Any], ttl: float | str | None = None, *, tags: Sequence[str] = ()) -> int:
        """Store values as `set` does. Return how many: 0 if Redis is unavailable or they wait for a commit."""
        checked = {require_cache_key(key): value for key, value in values.items()}
        return self._writer.set_many(checked, ttl, canonical(tags))

    @async_unsafe(BLOCKS_EVENT_LOOP)
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
        """Call `save`, then store the value; return the result of `save`.

        Two concurrent writers leave nothing stored rather than the wrong value. Tags that `save` itself invalidates, as
        a `ModelTags` of the model does, do not keep the value from being stored. In a transaction the value is only
        invalidated, on commit. Raises what `save` raises (nothing is stored then), and RedisUnavailable if the old
        value could be neither replaced nor deleted: the row is saved all the same.
        """
        return self._writer.write_through(require_cache_key(key), value, save, ttl, canonical(tags), using)

    def delete(self, key: Key, *, using: str | None = None) -> int:
        """Delete a value as `delete_many` does."""
        return self.delete_many([key], using=using)

    @async_unsafe(BLOCKS_EVENT_LOOP)
    def delete_many(self, keys: Iterable[Key], *, using: str | None = None) -> int:
        """Delete values; return how many existed. In a transaction: on commit (returns 0). Raises RedisUnavailable."""
        return self._invalidator.delete(map(require_cache_key, keys), using)

    @async_unsafe(BLOCKS_EVENT_LOOP)
    def increment(self, key: Key, amount: int = 1, ttl: float | str | None = None) -> int:
        """Add to a counter and return it. Its TTL runs from its creation.

        Raises RedisUnavailable, because a count cannot be made up; NotStorable for an encrypted family, because Redis
        can only add to a plain number; ValueError for a value that was not stored by `increment`.
        """
        return self._writer.increment(require_cache_key(key), amount, ttl)

    # Invalidating

    def invalidate_tag(self, tag: str, *, using: str | None = None) -> None:
        """Invalidate one tag as `invalidate_tags` does."""
        self.invalidate_tags([tag], using=using)

    @async_unsafe(BLOCKS_EVENT_LOOP)
    def invalidate_tags(self, tags: Iterable[str], *, using: str | None = None) -> None:
        """Invalidate all values that are stored or being computed under one of the tags. One write per tag.

        In a transaction: on commit. Until then this thread neither reads nor stores values under these tags. Raises
        RedisUnavailable outside of a transaction.
        """
        self._invalidator.invalidate_tags(tags, using)

    @async_unsafe(BLOCKS_EVENT_LOOP)
    def clear(self, what: Family | str | None = None) -> int:
        """Delete the values of a family, those under a prefix within one, or (None) all; return how many.

        Values that any process is computing meanwhile are not stored. For operators: O(keys of the server). Raises
        ValueError for a family or prefix that is not of the cache role, RedisUnavailable.
        """
        return self._invalidator.clear(clearing.prefixes_of(what))

    # Operating

    def warm(self, entries: Iterable[WarmupEntry]) -> WarmupReport:
        """Compute and store the values that are not cached. A failing factory is logged; the others still run."""
        outcomes = Counter(self._warm_one(entry) for entry in entries)
        return WarmupReport(outcomes["computed"], outcomes["already_cached"], outcomes["failed"])

    def stats(self) -> Status:
        """Return the state of this process's cache and the statistics of all processes."""
        return Status(
            len(self._local_cache),
            self._local_cache.bytes,
            connections.breaker("cache").state,
            len(self._invalidator.retry_queue),
            stats.snapshot(),
        )

    def on_invalidation_message(self, message: bytes) -> None:
        """Handle a message of the channel `cache-invalidate` without waiting for the next revalidation."""
        self._invalidator.on_invalidation_message(redis_writes.parse_message(message))

    def reset(self) -> None:
        """Drop the local cache and everything in progress. A forked child does: threads and locks are its parent's."""
        self._local_cache = LocalCache(
            self._local_bytes or conf.local_bytes(),
            self._local_seconds or conf.local_seconds(),
            on_first_entry=self._subscribe,
        )
        self._flights = Flights()
        self._invalidator = Invalidator(self._local_cache, self._flights)
        self.reader = CacheReader(self._local_cache, self._flights, self._invalidator)
        self._writer = ValueWriter(self._invalidator)
        self._driver = BlockingDriver()

    def _warm_one(self, entry: WarmupEntry) -> str:
        computed = False

        def factory() -> Any:
            nonlocal computed
            computed = True
            return entry.factory()

        try:
            self.remember(entry.key, entry.ttl, factory, tags=entry.tags)
        except Exception:
            logger.exception("Warming %s failed.", entry.key)
            return "failed"
        return "computed" if computed else "already_cached"

    def _subscribe(self) -> None:
        if self._subscribes:
            pubsub.subscribe(redis_writes.CHANNEL, self._on_message)

    def _on_message(self, message: Message) -> None:
        self._invalidator.on_invalidation_message(msgspec.convert(message.data, redis_writes.InvalidationMessage))


cache = Cache(subscribe=True)
os.register_at_fork(after_in_child=cache.reset)
