"""Storing what a caller has at hand: set, write-through, counters. Leases on it end, or lose the right to store."""

import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from cachecore import conf
from cachecore.keys import Key
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import claims, leases, redis_writes
from cachecore.storage import envelope as envelopes
from cachecore.storage.encryption import NotStorable
from cachecore.storage.envelope import Payload
from cachecore.storage.expiry import expiry_times
from cachecore.ttl import effective_ttl
from cachecore.writes import transactions, uncommitted
from cachecore.writes.invalidator import Invalidator
from cachecore.writes.transactions import DeferredStore

logger = logging.getLogger(__name__)

T = TypeVar("T")


class ValueWriter:
    """Tags are canonical here."""

    def __init__(self, invalidator: Invalidator) -> None:
        self._invalidator = invalidator

    def set_many(self, values: Mapping[Key, Any], ttl: float | str | None, names: tuple[str, ...]) -> int:
        """How many were stored: all, none while Redis is away or where they wait for a commit, or those that no open
        transaction has invalidated."""
        values = {
            key: value for key, value in values.items() if not self._invalidator.has_pending_invalidation(key, names)
        }
        payloads = {key: envelopes.pack(key.family, value) for key, value in values.items()}
        if connection := uncommitted.open_transaction():
            for key, payload in payloads.items():
                waiting = DeferredStore(names, partial(self._store_late, key, payload, ttl, names))
                transactions.store_on_commit(self._invalidator.apply, key, waiting, connection)
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
        if transactions.defer(self._invalidator.apply, [key], (), using):
            return save()
        payload = envelopes.pack(key.family, value)  # what cannot be encoded fails before anything is saved
        claim = secrets.token_bytes(leases.TOKEN_BYTES) + leases.WRITER
        versions = _claimed(key, claim, names)
        try:
            with claims.track_own_bumps(versions or {}):
                saved = save()
        except BaseException:
            _end_claim(key, claim)
            raise
        if versions is None or not _stored(key, payload, ttl, claim, versions):
            self._invalidator.invalidate([key], ())
        self._invalidator.drop_local_state([key], ())
        return saved

    def increment(self, key: Key, amount: int, ttl: float | str | None) -> int:
        if key.family.options.encrypted:
            raise NotStorable(f"family {key.family.name} is sensitive, a counter stands in clear: not counted")
        ttl_ms = round(effective_ttl.seconds_of(key.family, ttl) * 1000)
        self._invalidator.drop_local_state([key], ())
        try:
            return int(redis_writes.run(leases.increment(key, amount, ttl_ms)))
        finally:
            self._invalidator.drop_local_state([key], ())

    def _store_late(self, key: Key, payload: Payload, ttl: float | str | None, names: tuple[str, ...]) -> None:
        """On commit. It must not fail what was committed; what stood there is invalidated already, or owed."""
        if self._invalidator.must_bypass(key, names):
            return
        try:
            self._store({key: payload}, ttl, names)
        except Exception:
            logger.exception("%s: committed, not stored", key.family.name)

    def _store(self, payloads: Mapping[Key, Payload], ttl: float | str | None, names: tuple[str, ...]) -> int:
        stored = self._write(payloads, ttl, names)
        for key in payloads:
            stats.count(key.family.name, "stored" if stored else "error")
        return len(payloads) if stored else 0

    def _write(self, payloads: Mapping[Key, Payload], ttl: float | str | None, names: tuple[str, ...]) -> bool:
        """Whether; in this process it counts from before until after."""
        try:
            versions = redis_writes.tag_versions(names)
            sealed = {key: _sealed(key, payload, ttl, versions) for key, payload in payloads.items()}
            self._invalidator.drop_local_state(sealed.keys(), ())
            redis_writes.write(sealed)
        except RedisUnavailable:
            return False
        finally:
            self._invalidator.drop_local_state(payloads.keys(), ())
        return True


def _sealed(key: Key, payload: Payload, ttl: float | str | None, versions: Mapping[str, bytes]) -> tuple[bytes, int]:
    times = expiry_times(key.family, effective_ttl.seconds_of(key.family, ttl), payload, 0.0)
    try:
        data = envelopes.seal(key, payload, times, versions)
    except NotStorable:
        stats.count(key.family.name, "refused")
        raise
    stats.record_size(key.family.name, len(payload.data), len(data))
    return data, round(times.hard_seconds * 1000)


def _claimed(key: Key, claim: bytes, names: tuple[str, ...]) -> dict[str, bytes] | None:
    """Take the lease from whoever has it, and the tags' versions before the save; None while Redis is away."""
    try:
        versions = redis_writes.tag_versions(names)
        with connections.guarded_client("cache") as client:
            client.set(leases.lease_of(key), claim, px=round(conf.lease_seconds(key.family) * 1000))
    except RedisUnavailable:
        stats.count(key.family.name, "error")
        return None
    return versions


def _end_claim(key: Key, claim: bytes) -> None:
    with suppress(RedisUnavailable):  # it ends by its TTL, and nobody waits for a writer
        redis_writes.run(leases.release(key, claim))


def _stored(key: Key, payload: Payload, ttl: float | str | None, claim: bytes, versions: Mapping[str, bytes]) -> bool:
    try:
        data, ttl_ms = _sealed(key, payload, ttl, versions)
        return bool(redis_writes.run(leases.store(key, claim, versions, data, ttl_ms)))
    except (NotStorable, RedisUnavailable) as error:
        logger.warning("%s: written through, not stored: %s", key.family.name, error)
        return False
