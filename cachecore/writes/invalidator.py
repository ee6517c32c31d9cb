"""Invalidating: in Redis, in this process's memory, of what is being computed; now, on commit, or when Redis is back.

What an open transaction has invalidated, or what is owed since a commit, is `closed`: neither read nor stored here.
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
    def __init__(self, memory: LocalCache, flights: Flights) -> None:
        self.retry_queue = RetryQueue()
        self.retry_worker = RetryWorker(self)
        self._memory = memory
        self._flights = flights

    def delete(self, keys: Iterable[Key], using: str | None = None) -> int:
        """How many stood there; 0 where an open transaction deletes on commit. Raises RedisUnavailable, and owes it."""
        gone = list(keys)
        if not gone or transactions.defer(self.apply, gone, (), using):
            return 0
        return self.invalidate(gone, ())

    def invalidate_tags(self, names: Iterable[str], using: str | None = None) -> None:
        canonical = tags.canonical(names)
        if canonical and not transactions.defer(self.apply, (), canonical, using):
            self.invalidate((), canonical)

    def clear(self, prefixes: Iterable[str]) -> int:
        """Delete what is under the prefixes; how many. Raises RedisUnavailable."""
        told = list(prefixes)
        self._drop_all_local_state()
        cleared = sum(clearing.clear_prefix(prefix) for prefix in told)
        self._drop_all_local_state()
        redis_writes.publish_cleared(told)
        return cleared

    def invalidate(self, keys: Collection[str], names: Collection[str]) -> int:
        """How many of the keys stood there. What Redis does not take is owed, and raised."""
        try:
            return self._invalidate(keys, names)
        except Exception:
            self.retry_queue.add(keys, names)
            self.retry_worker.wake()
            raise

    def drop_local_state(self, keys: Collection[str], names: Collection[str]) -> None:
        """In this process: nothing remembered of it, nobody joins who computes it."""
        self._memory.invalidate(keys, names)
        self._flights.detach(keys, names)

    def on_invalidation_message(self, word: InvalidationMessage) -> None:
        """Of another process's invalidation: act before the bound makes us."""
        self._memory.invalidate(word.keys, word.tags)
        if word.prefixes:
            self._memory.clear()

    def apply(self, keys: Collection[str], names: Collection[str]) -> None:
        """On commit. It must not fail what was committed, whatever the error was: the invalidation is owed."""
        try:
            self.invalidate(keys, names)
        except RedisUnavailable as error:
            logger.error("committed, not invalidated yet: %s", error)
            stats.count(tags.TAG_VERSION.name, "error")
        except Exception:
            logger.exception("committed, not invalidated yet")
            stats.count(tags.TAG_VERSION.name, "error")

    def retry(self) -> None:
        """Try once to invalidate what is owed. For the payer; does not raise."""
        if (batch := self.retry_queue.batch()) is None:
            return
        try:
            if batch.everything:
                clearing.clear_everything()
            self._invalidate(batch.keys, batch.tags)
        except RedisUnavailable:
            return
        except Exception:  # as under an ACL that forbids to write
            logger.exception("an owed invalidation failed and is owed still")
            return
        self.retry_queue.acknowledge(batch)

    def has_pending(self) -> bool:
        return bool(self.retry_queue)

    def must_bypass(self, key: Key, names: Collection[str]) -> bool:
        """Neither read nor stored now."""
        return transactions.is_touched(key, names) or self._is_queued(key, names)

    def has_pending_invalidation(self, key: Key, names: Collection[str]) -> bool:
        """Not to be set either: invalidated, and not everybody knows it yet."""
        return transactions.is_invalidated(key, names) or self._is_queued(key, names)

    def _is_queued(self, key: Key, names: Collection[str]) -> bool:
        return bool(self.retry_queue) and self.retry_queue.contains(key, names)

    def _invalidate(self, keys: Collection[str], names: Collection[str]) -> int:
        """Before and after: what another thread reads in between is not kept, what Redis refuses is gone from here."""
        self.drop_local_state(keys, names)
        stood = redis_writes.invalidate(keys, names)
        self.drop_local_state(keys, names)
        return stood

    def _drop_all_local_state(self) -> None:
        self._memory.clear()
        self._flights.detach_all()
