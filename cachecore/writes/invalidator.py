"""Invalidate keys and tags: in Redis, in the local cache and among the flights of this process.

An invalidation is done at once, on commit (in a transaction), or by retries (if Redis was unavailable at the commit).
While it is pending, this process neither reads nor stores the keys and tags concerned (`must_bypass`).
"""

import logging
from collections.abc import Collection, Iterable

from cachecore import tags
from cachecore.keys import Key
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import clearing, redis_writes
from cachecore.storage.flights import Flights
from cachecore.storage.local_cache import LocalCache
from cachecore.storage.redis_writes import InvalidationMessage
from cachecore.writes import transactions
from cachecore.writes.retry_queue import RetryQueue, RetryWorker

logger = logging.getLogger(__name__)


class Invalidator:
    def __init__(self, local_cache: LocalCache, flights: Flights) -> None:
        self.retry_queue = RetryQueue()
        self.retry_worker = RetryWorker(self)
        self._local_cache = local_cache
        self._flights = flights

    def delete(self, keys: Iterable[Key], using: str | None = None) -> int:
        """Delete keys and return how many existed. In a transaction: on commit, returning 0.

        Raises RedisUnavailable; the deletion is retried then.
        """
        keys = list(keys)
        if not keys or transactions.defer(self.apply, keys, (), using):
            return 0
        return self.invalidate(keys, (), retry=False)  # its caller wants the number

    def invalidate_tags(self, names: Iterable[str], using: str | None = None) -> None:
        """Invalidate tags; on commit in a transaction. Raises RedisUnavailable; the invalidation is retried then."""
        canonical = tags.canonical(names)
        if canonical and not transactions.defer(self.apply, (), canonical, using):
            self.invalidate((), canonical)

    def clear(self, prefixes: Iterable[str]) -> int:
        """Delete all values under the prefixes and return how many. Raises RedisUnavailable."""
        prefixes = list(prefixes)
        self._drop_all_local_state()
        cleared = sum(clearing.clear_prefix(prefix) for prefix in prefixes)
        self._drop_all_local_state()
        redis_writes.publish_cleared(prefixes)
        return cleared

    def invalidate(self, keys: Collection[str], names: Collection[str], *, retry: bool = True) -> int:
        """Invalidate at once and return how many of the keys existed. If it fails, queue it for retries and raise.

        Without `retry` a lost reply is a failure, instead of a second command that would find no keys.
        """
        try:
            return self._invalidate(keys, names, retry=retry)
        except Exception:
            self.retry_queue.add(keys, names)
            self.retry_worker.wake()
            raise

    def drop_local_state(self, keys: Collection[str], names: Collection[str]) -> None:
        """Drop local entries and detach flights in this process: no later caller gets an older value."""
        self._local_cache.invalidate(keys, names)
        self._flights.detach(keys, names)

    def on_invalidation_message(self, message: InvalidationMessage) -> None:
        """Handle another process's invalidation message without waiting for the next revalidation."""
        self._local_cache.invalidate(message.keys, message.tags)
        if message.prefixes:
            self._local_cache.clear()

    def apply(self, keys: Collection[str], names: Collection[str]) -> None:
        """Invalidate after a commit. Never raises, because the transaction is committed; a failure is retried."""
        try:
            self.invalidate(keys, names)
        except RedisUnavailable as error:
            logger.error("A committed change is not invalidated yet and will be retried: %s", error)
            stats.count(tags.TAG_VERSION.name, "error")
        except Exception:
            logger.exception("A committed change is not invalidated yet and will be retried.")
            stats.count(tags.TAG_VERSION.name, "error")

    def retry(self) -> None:
        """Retry the queued invalidations once. Called by RetryWorker. Never raises."""
        if (batch := self.retry_queue.batch()) is None:
            return
        try:
            if batch.everything:
                clearing.clear_everything()
            self._invalidate(batch.keys, batch.tags)
        except RedisUnavailable:
            return
        except Exception:  # such as an ACL that forbids writing
            logger.exception("A queued invalidation failed and stays queued.")
            return
        self.retry_queue.acknowledge(batch)

    def has_pending(self) -> bool:
        """Return True if an invalidation is queued for retries."""
        return bool(self.retry_queue)

    def must_bypass(self, key: Key, names: Collection[str]) -> bool:
        """Return True if this thread must neither read nor store the key.

        Its transaction has set or invalidated it, or an invalidation of it is queued.
        """
        return transactions.is_touched(key, names) or self._is_queued(key, names)

    def has_pending_invalidation(self, key: Key, names: Collection[str]) -> bool:
        """Return True if the key must not be set either: its invalidation waits for a commit or for a retry."""
        return transactions.is_invalidated(key, names) or self._is_queued(key, names)

    def _is_queued(self, key: Key, names: Collection[str]) -> bool:
        return bool(self.retry_queue) and self.retry_queue.contains(key, names)

    def _invalidate(self, keys: Collection[str], names: Collection[str], *, retry: bool = True) -> int:
        """Invalidate in this process before and after Redis.

        Before, so that a failing Redis leaves nothing local; after, so that a read in between is not stored locally.
        """
        self.drop_local_state(keys, names)
        deleted = redis_writes.invalidate(keys, names, retry=retry)
        self.drop_local_state(keys, names)
        return deleted

    def _drop_all_local_state(self) -> None:
        self._local_cache.clear()
        self._flights.detach_all()
