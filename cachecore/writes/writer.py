"""Store values that the caller already has: `set`, write-through, counters. Leases on their keys end."""

import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import redis

from cachecore import conf
from cachecore.keys import Key
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import envelope as envelopes
from cachecore.storage import leases, redis_writes
from cachecore.storage.encryption import NotStorable
from cachecore.storage.envelope import Payload
from cachecore.storage.expiry import expiry_times
from cachecore.ttl import effective_ttl
from cachecore.writes import transactions
from cachecore.writes.invalidator import Invalidator
from cachecore.writes.transactions import DeferredStore

logger = logging.getLogger(__name__)

T = TypeVar("T")


class ValueWriter:
    """Tag names are canonical here."""

    def __init__(self, invalidator: Invalidator) -> None:
        self._invalidator = invalidator

    def set_many(self, values: Mapping[Key, Any], ttl: float | str | None, names: tuple[str, ...]) -> int:
        """Store values and return how many. Those whose invalidation is pending are skipped.

        Returns 0 if Redis is unavailable, or in a transaction, which stores them on commit.
        """
        values = {
            key: value for key, value in values.items() if not self._invalidator.has_pending_invalidation(key, names)
        }
        payloads = {key: envelopes.pack(key.family, value) for key, value in values.items()}
        if connection := transactions.open_transaction():
            for key, payload in payloads.items():
                deferred = DeferredStore(names, partial(self._store_after_commit, key, payload, ttl, names))
                transactions.store_on_commit(self._invalidator.apply, key, deferred, connection)
            return 0
        return self._store(payloads, ttl, names)

    def write_through(
        self,
        key: Key,
        value: Any,
        save: Callable[[], T],
        ttl: float | str | None,
        names: tuple[str, ...],
        using: str | None,
    ) -> T:
        """Call `save`, store the value and return the result of `save` (`Cache.write_through`)."""
        if transactions.defer(self._invalidator.apply, [key], (), using):
            return save()
        payload = envelopes.pack(key.family, value)  # a value that cannot be encoded fails before anything is saved
        lease = secrets.token_bytes(leases.TOKEN_BYTES) + leases.WRITER
        versions = _take_lease(key, lease, names)
        try:
            with redis_writes.track_own_bumps(versions or {}):
                saved = save()
        except BaseException:
            _end_lease(key, lease)
            raise
        if versions is None or not _store_under_lease(key, payload, ttl, lease, versions):
            self._invalidator.invalidate([key], ())
        self._invalidator.drop_local_state([key], ())
        return saved

    def increment(self, key: Key, amount: int, ttl: float | str | None) -> int:
        """Add to a counter and return it.

        Raises NotStorable for an encrypted family, ValueError if the value or the amount is not an integer of 64 bits,
        RedisUnavailable.
        """
        if key.family.options.encrypted:
            raise NotStorable(
                f"Family {key.family.name} is encrypted: it cannot have counters, which are plain numbers."
            )
        ttl_ms = round(effective_ttl.seconds_of(key.family, ttl) * 1000)
        self._invalidator.drop_local_state([key], ())
        try:
            return int(redis_writes.run(leases.increment(key, amount, ttl_ms), retry=False))
        except redis.ResponseError as error:
            raise ValueError(
                f"The key {key:.100} cannot be incremented by {amount!r:.100}: {error} A value that was not stored by "
                "increment must be deleted first."
            ) from error
        finally:
            self._invalidator.drop_local_state([key], ())

    def _store_after_commit(self, key: Key, payload: Payload, ttl: float | str | None, names: tuple[str, ...]) -> None:
        """Store a deferred value. Never raises, because the transaction is committed.

        The value it replaces is invalidated already, or its invalidation is queued.
        """
        if self._invalidator.must_bypass(key, names):
            return
        try:
            self._store({key: payload}, ttl, names)
        except Exception:
            logger.exception("A value of family %s was not stored after its commit.", key.family.name)

    def _store(self, payloads: Mapping[Key, Payload], ttl: float | str | None, names: tuple[str, ...]) -> int:
        stored = self._write(payloads, ttl, names)
        for key in payloads:
            stats.count(key.family.name, "stored" if stored else "error")
        return len(payloads) if stored else 0

    def _write(self, payloads: Mapping[Key, Payload], ttl: float | str | None, names: tuple[str, ...]) -> bool:
        """Write the values; return False if Redis is unavailable. Local copies are dropped before and after.

        Raises NotStorable after deleting the values that were to be replaced: they are out of date.
        """
        try:
            versions = redis_writes.tag_versions(names)
            sealed = {key: _seal(key, payload, ttl, versions) for key, payload in payloads.items()}
            self._invalidator.drop_local_state(sealed.keys(), ())
            redis_writes.write(sealed)
        except RedisUnavailable:
            return False
        except NotStorable:
            with suppress(RedisUnavailable):  # the deletion is queued then
                self._invalidator.invalidate(payloads.keys(), ())
            raise
        finally:
            self._invalidator.drop_local_state(payloads.keys(), ())
        return True


def _seal(key: Key, payload: Payload, ttl: float | str | None, versions: Mapping[str, bytes]) -> tuple[bytes, int]:
    """Return the bytes to store and their TTL in ms. Raises NotStorable."""
    times = expiry_times(key.family, effective_ttl.seconds_of(key.family, ttl), payload, 0.0)
    try:
        data = envelopes.seal(key, payload, times, versions)
    except NotStorable:
        stats.count(key.family.name, "refused")
        raise
    stats.record_size(key.family.name, len(payload.data), len(data))
    return data, round(times.hard_seconds * 1000)


def _take_lease(key: Key, lease: bytes, names: tuple[str, ...]) -> dict[str, bytes] | None:
    """Replace any lease on the key by this writer's. Return the versions of the tags; None if Redis is unavailable."""
    try:
        versions = redis_writes.tag_versions(names)
        with connections.guarded_client("cache") as client:
            client.set(leases.lease_key(key), lease, px=round(conf.lease_seconds(key.family) * 1000))
    except RedisUnavailable:
        stats.count(key.family.name, "error")
        return None
    return versions


def _end_lease(key: Key, lease: bytes) -> None:
    with suppress(RedisUnavailable):  # its TTL ends it, and no reader waits for a writer
        redis_writes.run(leases.release(key, lease))


def _store_under_lease(
    key: Key, payload: Payload, ttl: float | str | None, lease: bytes, versions: Mapping[str, bytes]
) -> bool:
    """Store the value unless the lease was lost or a tag was invalidated by another caller; return True if stored."""
    try:
        data, ttl_ms = _seal(key, payload, ttl, versions)
        return bool(redis_writes.run(leases.store(key, lease, versions, data, ttl_ms)))
    except (NotStorable, RedisUnavailable) as error:
        logger.warning("A value of family %s was saved but not cached: %s", key.family.name, error)
        return False
