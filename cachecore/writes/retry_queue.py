"""Retry invalidations that Redis did not accept when a transaction committed.

A retry queue, and the thread that works it off. The thread exists only while something is queued; the process retries
once more when it exits. Readers do not retry: clearing everything takes seconds, and an idle process has no readers.

The queue is bounded by MAX_NAMES; beyond that it holds one entry, "everything". This process neither reads nor stores
what is queued. Other processes serve the old value until the retry succeeds, or until its TTL: the accepted limit of a
cache that was unavailable at the moment of a commit. The queue is lost with the process.
"""

import atexit
import threading
import weakref
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple, Protocol

MAX_NAMES = 10_000
FIRST_SECONDS = 0.1  # before the first retry; doubled from retry to retry
LONGEST_SECONDS = 1.0


class Batch(NamedTuple):
    """What one retry invalidates. `serial` identifies the state of the queue that it was read from."""

    keys: frozenset[str]
    tags: frozenset[str]
    everything: bool
    serial: int


class RetryQueue:
    """Keys and tags whose invalidation failed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._serial = 0
        self._keys: set[str] = set()
        self._tags: set[str] = set()
        self._everything = False

    def __bool__(self) -> bool:
        return self._everything or bool(self._keys or self._tags)

    def __len__(self) -> int:
        return len(self._keys) + len(self._tags) + self._everything

    def add(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        """Queue an invalidation. Beyond MAX_NAMES names the queue becomes "everything"."""
        with self._lock:
            self._serial += 1
            self._keys.update(keys)
            self._tags.update(tags)
            if len(self._keys) + len(self._tags) > MAX_NAMES:
                self._everything = True
                self._keys, self._tags = set(), set()

    def contains(self, key: str, tags: Iterable[str]) -> bool:
        """Return True if an invalidation of the key or of one of the tags is queued."""
        with self._lock:
            return self._everything or key in self._keys or not self._tags.isdisjoint(tags)

    def batch(self) -> Batch | None:
        """Return what is queued, or None. It stays queued until it is acknowledged."""
        with self._lock:
            if not self:
                return None
            return Batch(frozenset(self._keys), frozenset(self._tags), self._everything, self._serial)

    def acknowledge(self, batch: Batch) -> None:
        """Empty the queue, unless something was added since the batch was read: it may be the same name again."""
        with self._lock:
            if batch.serial == self._serial:
                self._keys, self._tags, self._everything = set(), set(), False


class Retryable(Protocol):
    def retry(self) -> None:
        """Try once. Never raises."""

    def has_pending(self) -> bool: ...


class RetryWorker:
    """Runs the retries of one owner. The reference to it is weak, so that an unused cache can be collected."""

    def __init__(self, owner: Retryable) -> None:
        self._owner = weakref.ref(owner)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.thread: threading.Thread | None = None
        _workers.add(self)

    def wake(self) -> None:
        """Start the thread if it is not running. Call it after something was queued."""
        with self._lock, suppress(RuntimeError):  # no thread starts while the process exits: see _retry_at_exit
            if self.thread is None or not self.thread.is_alive():  # in a forked child the parent's thread is not alive
                self._stopped.clear()
                thread = threading.Thread(target=self._run, name="cachecore-retry", daemon=True)
                thread.start()
                self.thread = thread

    def stop(self) -> None:
        """Stop the thread. What is queued stays queued until the worker is woken again or `retry` is called."""
        with self._lock:
            thread, self.thread = self.thread, None
            self._stopped.set()
        if thread is not None:
            thread.join()

    def retry(self) -> None:
        """Retry once, in the calling thread."""
        if (owner := self._owner()) is not None:
            owner.retry()

    def _run(self) -> None:
        seconds = FIRST_SECONDS
        while True:
            if self._stopped.wait(seconds):
                return
            self.retry()
            with self._lock:  # an invalidation queued after this block finds no thread and starts one
                if not self._has_pending():
                    self.thread = None
                    return
            seconds = min(2 * seconds, LONGEST_SECONDS)

    def _has_pending(self) -> bool:
        owner = self._owner()
        return owner is not None and owner.has_pending()


def stop_all() -> None:
    """Stop the workers of all caches of this process."""
    for worker in list(_workers):
        worker.stop()


def _retry_at_exit() -> None:
    stop_all()
    for worker in list(_workers):
        worker.retry()


_workers: "weakref.WeakSet[RetryWorker]" = weakref.WeakSet()
atexit.register(_retry_at_exit)
