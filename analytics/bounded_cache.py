"""A bounded in-process cache that threads may share."""

import threading
from typing import Generic, TypeVar

from cachetools import FIFOCache

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """A cache that drops its oldest entry when it is full.

    cachetools is not thread-safe: a full cache that two threads write to at once raises KeyError. Hence the lock.
    """

    def __init__(self, size: int) -> None:
        self._entries: FIFOCache[K, V] = FIFOCache(size)
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            return self._entries.get(key)

    def set(self, key: K, value: V) -> None:
        with self._lock:
            self._entries[key] = value
