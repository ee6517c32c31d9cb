"""Read stored values: one MGET for a value and the versions of its tags, then validation of both.

Yields effects (cachecore/read_through/effects.py) and performs no I/O. If Redis fails, the read is counted as an error
and returns NOT_STORED.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from cachecore import tags
from cachecore.clock import now_ms
from cachecore.keys import Key
from cachecore.read_through.effects import EffectGenerator, Mget, Revalidate
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats
from cachecore.storage import envelope as envelopes
from cachecore.storage import expiry
from cachecore.storage.envelope import HEADER_BYTES, Envelope, Payload
from cachecore.storage.expiry import Freshness
from cachecore.storage.local_cache import IMMUTABLE_TYPES, Entry, LocalCache
from cachecore.tags import CanonicalTags


class ReadResult(msgspec.Struct, frozen=True):
    """The result of a read. `payload` is None if there is no valid value; `header` is that of the bytes in Redis.

    A lease is taken with the header: the script refuses it if the value has changed since.
    """

    header: bytes = b""
    payload: Payload | None = None
    freshness: Freshness = Freshness.EXPIRED
    compute_seconds: float = 0.0
    tags: tuple[str, ...] = ()

    def without_payload(self) -> "ReadResult":
        """Return the same result as a miss."""
        return ReadResult(self.header, None, self.freshness, self.compute_seconds, self.tags)


NOT_STORED = ReadResult()  # also if Redis failed


class StoredValueReader:
    def __init__(
        self,
        local_cache: LocalCache,
        *,
        clock_ms: Callable[[], int] = now_ms,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._local_cache = local_cache
        self._clock_ms = clock_ms
        self._monotonic = monotonic
        self._draw = draw

    def read(
        self, key: Key, canonical_tags: CanonicalTags = tags.NO_TAGS, requested_tags: tuple[str, ...] = ()
    ) -> EffectGenerator[ReadResult]:
        """Read the value and the versions of its tags. Tags that the caller does not name cost a second round trip."""
        sent_at, generation = self._monotonic(), self._local_cache.generation
        family = key.family
        try:
            data, *found = yield Mget((key, *canonical_tags.keys))
            envelope = envelopes.parse(data) if data is not None else None
            versions = dict(zip(canonical_tags.names, found, strict=True))
            if envelope is not None and not envelope.tags.keys() <= versions.keys():
                versions |= yield from self._versions([tag for tag in envelope.tags if tag not in versions])
        except RedisUnavailable:
            stats.count(family.name, "error")
            return NOT_STORED
        finally:
            stats.record_duration(family.name, "read", self._monotonic() - sent_at)
        stored = self._validated(key, data, envelope, versions, canonical_tags.names)
        if family.options.local and envelope is not None and stored.payload is not None:
            self.store_locally(key, stored.header, envelope, stored.payload, requested_tags, sent_at, generation)
        return stored

    def read_many(self, keys: Sequence[Key]) -> EffectGenerator[dict[Key, ReadResult]]:
        """Read any number of values in two round trips: the values, then the versions of all their tags."""
        try:
            found = dict(zip(keys, (yield Mget(keys)), strict=True))
            envelopes_by_key = {key: envelopes.parse(data) if data is not None else None for key, data in found.items()}
            names = sorted(
                {tag for envelope in envelopes_by_key.values() if envelope is not None for tag in envelope.tags}
            )
            versions = (yield from self._versions(names)) if names else {}
        except RedisUnavailable:
            for key in keys:
                stats.count(key.family.name, "error")
            return dict.fromkeys(keys, NOT_STORED)
        return {key: self._validated(key, data, envelopes_by_key[key], versions, ()) for key, data in found.items()}

    def _versions(self, names: Sequence[str]) -> EffectGenerator[dict[str, bytes | None]]:
        return dict(zip(names, (yield Mget(tags.version_keys(names))), strict=True))

    def _validated(
        self,
        key: Key,
        data: bytes | None,
        envelope: Envelope | None,
        versions: Mapping[str, bytes | None],
        requested: tuple[str, ...],
    ) -> ReadResult:
        """Return the value if its tags have the current versions and include those that the caller requested."""
        if data is None:
            return NOT_STORED
        header = envelopes.header(data)
        if envelope is None:
            counter = _counter(key, data)
            return ReadResult(header, counter, Freshness.FRESH) if counter is not None else ReadResult(header)
        if not tags.are_current(envelope.tags, versions, requested):
            return ReadResult(header)
        freshness = expiry.classify(envelope, self._clock_ms(), key.family.options.beta, self._draw)
        payload = envelopes.open_payload(key, envelope) if freshness is not Freshness.EXPIRED else None
        return (
            ReadResult(header, payload, freshness, envelope.compute_seconds, tuple(envelope.tags))
            if payload
            else ReadResult(header)
        )

    def store_locally(
        self,
        key: Key,
        header: bytes,
        envelope: Envelope,
        payload: Payload,
        requested_tags: tuple[str, ...],
        sent_at: float,
        generation: int,
    ) -> None:
        """Store a value in the local cache as validated at `sent_at`.

        Values of encrypted families are not stored locally, because they would be in clear there.
        """
        if key.family.options.encrypted:
            return
        try:
            value = envelopes.unpack(key.family, payload)
        except envelopes.UNREADABLE:
            return
        entry = Entry(key, header, payload, envelope.tags)
        entry.requested_tags, entry.validated_at = requested_tags, sent_at
        entry.immutable = isinstance(value, IMMUTABLE_TYPES)
        entry.value = value if entry.immutable else None
        fresh_ms = envelope.soft_ms - expiry.early_by_ms(envelope, key.family.options.beta, self._draw)
        self._local_cache.put(entry, envelope, self._clock_ms(), fresh_ms, generation)

    def revalidate(self, entry: Entry) -> EffectGenerator[None]:
        """Revalidate the entry together with others in use. If Redis fails, they stay unvalidated."""
        batch = self._local_cache.revalidation_batch(entry)
        names = sorted({tag for one in batch for tag in one.versions})
        sent_at = self._monotonic()
        try:
            headers, found = yield Revalidate([one.key for one in batch], HEADER_BYTES, tags.version_keys(names))
        except RedisUnavailable:
            return
        finally:
            entry.revalidating = False
        self._local_cache.apply_revalidation(batch, headers, dict(zip(names, found, strict=True)), sent_at)


def _counter(key: Key, data: bytes) -> Payload | None:
    """Return the value of a counter (a plain integer, see `increment`), or None for other bytes."""
    is_counter = len(data) <= 20 and data.lstrip(b"-").isdigit() and not key.family.options.encrypted
    return envelopes.pack(key.family, int(data)) if is_counter else None
