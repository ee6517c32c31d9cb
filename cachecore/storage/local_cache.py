"""Values kept in the process (L1), bounded in bytes. Each is revalidated before it exceeds its maximum age.

An entry is served only while it was validated less than `max_unvalidated_seconds` ago. To revalidate means to ask Redis
whether the value is still the same (its header, by GETRANGE) and whether its tags still have the versions that it was
stored under. One round trip does both for an entry and for others that are in use. The age counts from the moment just
before the command was sent. Nothing else is needed for the bound: invalidation messages and invalidations by this
process only remove entries earlier.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakValueDictionary, ref

from cachetools import LRUCache

from cachecore.keys import Key
from cachecore.storage.envelope import Envelope, NotFound, Payload

REVALIDATION_BATCH = 32
MIN_SWEEP_LENGTH = 1_000  # references to evicted entries are removed once there are more than this, and mostly such
ENTRY_BYTES = 700  # memory per entry beside its value and key, measured
TAG_BYTES = 400  # memory per tag that no other entry has (its name, version and cell), measured
# Values of these types cannot be changed and are returned as they are; others are decoded for every caller.
IMMUTABLE_TYPES = (str, bytes, int, float, bool, type(None), NotFound)


class TagCell:
    """Shared by all entries of a tag, so that one write invalidates them all."""

    __slots__ = ("__weakref__", "valid")

    def __init__(self) -> None:
        self.valid = True


class Entry:
    """A value in the local cache. Times are readings of the monotonic clock."""

    __slots__ = (
        "__weakref__",
        "cells",
        "fresh_until",
        "hard_until",
        "header",
        "immutable",
        "key",
        "payload",
        "requested_tags",
        "revalidating",
        "used",
        "validated_at",
        "value",
        "versions",
    )  # fmt: skip

    def __init__(self, key: Key, header: bytes, payload: Payload, versions: Mapping[str, bytes]) -> None:
        self.key = key
        self.header = header
        self.payload = payload
        self.versions = versions
        self.value: Any = None
        self.requested_tags: tuple[str, ...] = ()
        self.cells: tuple[TagCell, ...] = ()
        self.fresh_until = self.hard_until = self.validated_at = float("-inf")
        self.revalidating = self.used = self.immutable = False

    @property
    def size(self) -> int:
        """Memory in bytes, an upper estimate: the cost of a tag is counted for each entry that has it."""
        value = sys.getsizeof(self.value) if self.immutable else 0  # kept beside its payload
        return len(self.payload.data) + value + len(self.key) + ENTRY_BYTES + len(self.versions) * TAG_BYTES

    def tags_valid(self) -> bool:
        """Return True if this process has invalidated none of the entry's tags."""
        for cell in self.cells:  # noqa: SIM110  a loop: all() with a generator costs more than the rest of a hit
            if not cell.valid:
                return False
        return True


class LocalCache:
    """`on_first_entry` is called once, when the first entry is stored."""

    def __init__(
        self,
        max_bytes: int,
        max_unvalidated_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        on_first_entry: Callable[[], None] = lambda: None,
    ) -> None:
        self.max_unvalidated_seconds = max_unvalidated_seconds
        self._revalidate_after_seconds = max_unvalidated_seconds / 2  # one caller revalidates, the others get the entry
        self._monotonic = monotonic
        self._on_first_entry: Callable[[], None] | None = on_first_entry
        self._lock = threading.Lock()
        self._entries: LRUCache[str, Entry] = LRUCache(max_bytes, getsizeof=_size)
        # Weak references: these two must not keep evicted entries alive, or the bound in bytes would not hold.
        self._cells: WeakValueDictionary[str, TagCell] = WeakValueDictionary()
        self._revalidation_queue: deque[ref[Entry]] = deque()
        self._sweep_at = MIN_SWEEP_LENGTH
        self.generation = 0  # raised by every invalidation of this process: a value read before it is not stored

    def get_without_revalidating(self, key: str) -> Entry | None:
        """Return an entry that may be served at once; None if it is missing or must be revalidated by this caller."""
        entry = self._entry(key)
        if entry is None:
            return None
        now = self._monotonic()
        age = now - entry.validated_at
        if age >= self._revalidate_after_seconds and not (entry.revalidating and age < self.max_unvalidated_seconds):
            return None
        if now >= entry.fresh_until or not entry.tags_valid():
            return None
        entry.used = True
        return entry

    def get_fresh(self, key: str) -> Entry | None:
        """Return an entry that may be served: fresh, and validated less than `max_unvalidated_seconds` ago."""
        entry = self._entry(key)
        if entry is None:
            return None
        now = self._monotonic()
        if (
            now - entry.validated_at >= self.max_unvalidated_seconds
            or now >= entry.fresh_until
            or not entry.tags_valid()
        ):
            return None
        entry.used = True
        return entry

    def get_unexpired(self, key: str) -> Entry | None:
        """Return an entry before its hard expiry, validated or not, unless this process has invalidated it."""
        entry = self._entry(key)
        if entry is None or self._monotonic() >= entry.hard_until or not entry.tags_valid():
            return None
        return entry

    def claim_revalidation(self, entry: Entry) -> bool:
        """Return True if this caller shall revalidate the entry. Until it has done so, the others are served the entry.

        An entry is due after half of `max_unvalidated_seconds`.
        """
        if entry.revalidating or self._monotonic() - entry.validated_at < self._revalidate_after_seconds:
            return False
        entry.revalidating = True
        return True

    def put(self, entry: Entry, envelope: Envelope, now_ms: float, fresh_ms: float, generation: int) -> None:
        """Store an entry that was read from Redis at `entry.validated_at`, when `generation` was the current one.

        It is not stored if this process has invalidated anything since, or if it takes an eighth of the whole bound.
        """
        with self._lock:
            if generation != self.generation or entry.size > self._entries.maxsize // 8:
                return
            now = self._monotonic()
            entry.fresh_until = now + (fresh_ms - now_ms) / 1000
            entry.hard_until = now + (envelope.hard_ms - now_ms) / 1000
            entry.cells = tuple(self._cells.setdefault(tag, TagCell()) for tag in entry.versions)
            self._entries[entry.key] = entry
            self._enqueue(entry)
            on_first_entry, self._on_first_entry = self._on_first_entry, None
        if on_first_entry is not None:
            on_first_entry()

    def revalidation_batch(self, entry: Entry) -> list[Entry]:
        """Return the entry and others that are due and were used since their last validation."""
        batch = {entry.key: entry}
        due_before = self._monotonic() - self._revalidate_after_seconds
        with self._lock:
            while self._revalidation_queue and len(batch) < REVALIDATION_BATCH:
                other = self._revalidation_queue[0]()
                if other is not None and other.validated_at > due_before:
                    break
                self._revalidation_queue.popleft()
                # An unused entry is revalidated when it is next read; an evicted or replaced one never.
                if other is None or not other.used or other.revalidating:
                    continue
                if self._is_cached(other):
                    batch.setdefault(other.key, other)
        return list(batch.values())

    def apply_revalidation(
        self, batch: Iterable[Entry], headers: Iterable[bytes], versions: Mapping[str, bytes | None], sent_at: float
    ) -> None:
        """Mark the entries of a batch that are still current as validated at `sent_at`; remove the others."""
        with self._lock:
            for entry, header in zip(batch, headers, strict=True):
                entry.revalidating = entry.used = False
                if header == entry.header and all(versions[tag] == version for tag, version in entry.versions.items()):
                    entry.validated_at = sent_at
                    self._enqueue(entry)
                elif self._is_cached(entry):
                    del self._entries[entry.key]

    def invalidate(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """Remove keys and invalidate tags at once, each in O(1)."""
        with self._lock:
            self.generation += 1
            for tag in tags:
                if cell := self._cells.pop(tag, None):
                    cell.valid = False
            for key in keys:
                self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self.generation += 1
            self._entries.clear()
            self._cells.clear()
            self._revalidation_queue.clear()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        return int(self._entries.currsize)

    def _entry(self, key: str) -> Entry | None:
        with self._lock:
            return self._entries.get(key)

    def _enqueue(self, entry: Entry) -> None:
        self._revalidation_queue.append(ref(entry))
        if len(self._revalidation_queue) > self._sweep_at:
            cached = dict.fromkeys(
                one for reference in self._revalidation_queue if (one := reference()) and self._is_cached(one)
            )
            self._revalidation_queue = deque(map(ref, cached))
            self._sweep_at = 2 * len(cached) + MIN_SWEEP_LENGTH  # so that sweeping costs O(1) for each reference

    def _is_cached(self, entry: Entry) -> bool:
        return self._entries.get(entry.key) is entry


def _size(entry: Entry) -> int:
    return entry.size
