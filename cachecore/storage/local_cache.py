"""Values in the process's memory (L1), bounded in bytes, never older than the bound of their verification.

An entry is served only while Redis was asked less than `trusted` seconds ago whether its value still stands (the
header, by GETRANGE) and its tags' versions are still those it was stored under; both in one round trip, with other
entries that are in use. The moment that counts is the one before the question. Nothing else is needed for the bound:
messages and own invalidations only make it shorter.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from weakref import WeakValueDictionary, ref

from cachetools import LRUCache

from cachecore.storage.entries import Entry, TagCell
from cachecore.storage.envelope import Envelope

REVALIDATION_BATCH = 32
LEAST_QUEUE = 1_000  # places of evicted entries are swept when there are more than this, and more than of kept ones


class LocalCache:
    """`on_first` is called when there is something to keep for the first time."""

    def __init__(
        self,
        max_bytes: int,
        trusted_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        on_first: Callable[[], None] = lambda: None,
    ) -> None:
        self.trusted_seconds = trusted_seconds
        self._verified_anew_seconds = trusted_seconds / 2  # by one caller, while the others are still served
        self._monotonic = monotonic
        self._on_first: Callable[[], None] | None = on_first
        self._lock = threading.Lock()
        self._entries: LRUCache[str, Entry] = LRUCache(max_bytes, getsizeof=_size)
        # Neither keeps alive what was evicted: the bound is that of the entries.
        self._cells: WeakValueDictionary[str, TagCell] = WeakValueDictionary()
        self._to_verify: deque[ref[Entry]] = deque()
        self._sweep_at = LEAST_QUEUE
        self.generation = 0  # raised by every own invalidation: what was asked before it is not kept

    def get_without_revalidating(self, key: str) -> Entry | None:
        """An entry that may be served now, and that this caller need not verify anew (`due`)."""
        entry = self._entry(key)
        if entry is None:
            return None
        now = self._monotonic()
        age = now - entry.validated_at
        if age >= self._verified_anew_seconds and not (entry.revalidating and age < self.trusted_seconds):
            return None
        if now >= entry.fresh_until or not entry.alive():
            return None
        entry.used = True
        return entry

    def get_fresh(self, key: str) -> Entry | None:
        """An entry that may be served now."""
        entry = self._entry(key)
        if entry is None:
            return None
        now = self._monotonic()
        if now - entry.validated_at >= self.trusted_seconds or now >= entry.fresh_until or not entry.alive():
            return None
        entry.used = True
        return entry

    def claim_revalidation(self, entry: Entry) -> bool:
        """Whether this caller shall verify the entry while the others still serve it: past half its trusted time."""
        if entry.revalidating or self._monotonic() - entry.validated_at < self._verified_anew_seconds:
            return False
        entry.revalidating = True
        return True

    def get_unexpired(self, key: str) -> Entry | None:
        """An entry that is not known to be invalid and not past its hard expiry, verified or not."""
        entry = self._entry(key)
        if entry is None or self._monotonic() >= entry.hard_until or not entry.alive():
            return None
        return entry

    def put(self, entry: Entry, envelope: Envelope, now_ms: float, fresh_ms: float, generation: int) -> None:
        """Keep what was asked for at `entry.validated_at`; not when this process has invalidated something since."""
        with self._lock:
            if generation != self.generation or entry.size > self._entries.maxsize // 8:
                return
            now = self._monotonic()
            entry.fresh_until = now + (fresh_ms - now_ms) / 1000
            entry.hard_until = now + (envelope.hard_ms - now_ms) / 1000
            entry.cells = tuple(self._cells.setdefault(tag, TagCell()) for tag in entry.versions)
            self._entries[entry.key] = entry
            self._queue(entry)
            on_first, self._on_first = self._on_first, None
        if on_first is not None:
            on_first()

    def revalidation_batch(self, entry: Entry) -> list[Entry]:
        """The entry, and others that were used since their last verification and are due."""
        batch = {entry.key: entry}
        due_before = self._monotonic() - self._verified_anew_seconds
        with self._lock:
            while self._to_verify and len(batch) < REVALIDATION_BATCH:
                other = self._to_verify[0]()
                if other is not None and other.validated_at > due_before:
                    break
                self._to_verify.popleft()
                # What nobody used waits until somebody does; what was evicted or replaced is not there.
                if other is None or not other.used or other.revalidating:
                    continue
                if self._is_cached(other):
                    batch.setdefault(other.key, other)
        return list(batch.values())

    def apply_revalidation(
        self, batch: Iterable[Entry], headers: Iterable[bytes], versions: Mapping[str, bytes | None], asked_at: float
    ) -> None:
        """What Redis said about a batch, asked at `asked_at`."""
        with self._lock:
            for entry, header in zip(batch, headers, strict=True):
                entry.revalidating = entry.used = False
                if header == entry.header and all(versions[tag] == version for tag, version in entry.versions.items()):
                    entry.validated_at = asked_at
                    self._queue(entry)
                elif self._is_cached(entry):
                    del self._entries[entry.key]

    def invalidate(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """At once, O(1) a tag."""
        with self._lock:
            self.generation += 1
            for tag in tags:
                if cell := self._cells.pop(tag, None):
                    cell.alive = False
            for key in keys:
                self._entries.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self.generation += 1
            self._entries.clear()
            self._cells.clear()
            self._to_verify.clear()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        return int(self._entries.currsize)

    def _entry(self, key: str) -> Entry | None:
        with self._lock:
            return self._entries.get(key)

    def _queue(self, entry: Entry) -> None:
        self._to_verify.append(ref(entry))
        if len(self._to_verify) > self._sweep_at:
            kept = dict.fromkeys(one for place in self._to_verify if (one := place()) and self._is_cached(one))
            self._to_verify = deque(map(ref, kept))
            self._sweep_at = 2 * len(kept) + LEAST_QUEUE  # so that sweeping costs each place no more than its own

    def _is_cached(self, entry: Entry) -> bool:
        return self._entries.get(entry.key) is entry


def _size(entry: Entry) -> int:
    return entry.size
