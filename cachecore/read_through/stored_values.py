"""Reading: what stands under a key, whether it counts, and how fresh it is. One MGET of the value and its tags.

Steps (cachecore/read_through/effects.py): no I/O here. A Redis that fails is a read that finds nothing, and is counted.
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
from cachecore.storage.entries import IMMUTABLE_TYPES, Entry
from cachecore.storage.envelope import HEADER_BYTES, Envelope, Payload
from cachecore.storage.expiry import Freshness
from cachecore.storage.local_cache import LocalCache
from cachecore.tags import CanonicalTags


class ReadResult(msgspec.Struct, frozen=True):
    """What stood under a key. `payload` None: nothing that counts; `header` says what to overwrite."""

    header: bytes = b""
    payload: Payload | None = None
    freshness: Freshness = Freshness.EXPIRED
    compute_seconds: float = 0.0
    tags: tuple[str, ...] = ()

    def without_payload(self) -> "ReadResult":
        return ReadResult(self.header, None, self.freshness, self.compute_seconds, self.tags)


NOT_STORED = ReadResult()


class StoredValueReader:
    def __init__(
        self,
        memory: LocalCache,
        *,
        clock_ms: Callable[[], int] = now_ms,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._memory = memory
        self._clock_ms = clock_ms
        self._monotonic = monotonic
        self._draw = draw

    def read(
        self, key: Key, named: CanonicalTags = tags.NO_TAGS, asked: tuple[str, ...] = ()
    ) -> EffectGenerator[ReadResult]:
        """Read the value and the versions of the tags the caller names; those it does not name cost a second trip."""
        asked_at, generation = self._monotonic(), self._memory.generation
        family = key.family
        try:
            data, *found = yield Mget((key, *named.keys))
            envelope = envelopes.parse(data) if data is not None else None
            known = dict(zip(named.names, found, strict=True))
            if envelope is not None and not envelope.tags.keys() <= known.keys():
                known |= yield from self._versions([tag for tag in envelope.tags if tag not in known])
        except RedisUnavailable:
            stats.count(family.name, "error")
            return NOT_STORED
        finally:
            stats.record_duration(family.name, "read", self._monotonic() - asked_at)
        seen = self._validated(key, data, envelope, known, named.names)
        if family.options.local and envelope is not None and seen.payload is not None:
            self.store_locally(key, seen.header, envelope, seen.payload, asked, asked_at, generation)
        return seen

    def read_many(self, keys: Sequence[Key]) -> EffectGenerator[dict[Key, ReadResult]]:
        """Two round trips for any number: the values, then the versions of all their tags."""
        try:
            stored = dict(zip(keys, (yield Mget(keys)), strict=True))
            parsed = {key: envelopes.parse(data) if data is not None else None for key, data in stored.items()}
            names = sorted({tag for envelope in parsed.values() if envelope is not None for tag in envelope.tags})
            known = (yield from self._versions(names)) if names else {}
        except RedisUnavailable:
            for key in keys:
                stats.count(key.family.name, "error")
            return dict.fromkeys(keys, NOT_STORED)
        return {key: self._validated(key, data, parsed[key], known, ()) for key, data in stored.items()}

    def _versions(self, names: Sequence[str]) -> EffectGenerator[dict[str, bytes | None]]:
        return dict(zip(names, (yield Mget(tags.keys(names))), strict=True))

    def _validated(
        self,
        key: Key,
        data: bytes | None,
        envelope: Envelope | None,
        known: Mapping[str, bytes | None],
        names: tuple[str, ...],
    ) -> ReadResult:
        """A value counts when its tags are those of now, and the caller's tags are among them."""
        if data is None:
            return NOT_STORED
        header = envelopes.header(data)
        if envelope is None:
            counted = _counted(key, data)
            return ReadResult(header, counted, Freshness.FRESH) if counted is not None else ReadResult(header)
        if not tags.current(envelope.tags, known, names):
            return ReadResult(header)
        fresh = expiry.classify(envelope, self._clock_ms(), key.family.options.beta, self._draw)
        payload = envelopes.open_payload(key, envelope) if fresh is not Freshness.EXPIRED else None
        return (
            ReadResult(header, payload, fresh, envelope.compute_seconds, tuple(envelope.tags))
            if payload
            else ReadResult(header)
        )

    def store_locally(
        self,
        key: Key,
        header: bytes,
        envelope: Envelope,
        payload: Payload,
        asked: tuple[str, ...],
        asked_at: float,
        generation: int,
    ) -> None:
        """In the process's memory, as known at `asked_at`. Sensitive values are not: they would lie there in clear."""
        if key.family.options.encrypted:
            return
        try:
            value = envelopes.unpack(key.family, payload)
        except envelopes.UNREADABLE:
            return
        entry = Entry(key, header, payload, envelope.tags)
        entry.requested_tags, entry.validated_at = asked, asked_at
        entry.shared = isinstance(value, IMMUTABLE_TYPES)
        entry.value = value if entry.shared else None
        fresh_ms = envelope.soft_ms - expiry.early_by_ms(envelope, key.family.options.beta, self._draw)
        self._memory.put(entry, envelope, self._clock_ms(), fresh_ms, generation)

    def revalidate(self, entry: Entry) -> EffectGenerator[None]:
        """Ask whether the entry, and others in use, still stand. A Redis that fails leaves them unverified."""
        batch = self._memory.revalidation_batch(entry)
        names = sorted({tag for one in batch for tag in one.versions})
        asked_at = self._monotonic()
        try:
            headers, found = yield Revalidate([one.key for one in batch], HEADER_BYTES, tags.keys(names))
        except RedisUnavailable:
            return
        finally:
            entry.revalidating = False
        self._memory.apply_revalidation(batch, headers, dict(zip(names, found, strict=True)), asked_at)


def _counted(key: Key, data: bytes) -> Payload | None:
    """A value that `increment` keeps: a plain integer. A sensitive family has none."""
    counts = len(data) <= 20 and data.lstrip(b"-").isdigit() and not key.family.options.encrypted
    return envelopes.pack(key.family, int(data)) if counts else None
