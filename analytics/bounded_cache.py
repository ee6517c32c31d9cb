"""A bounded memory of this process that its threads share."""

import threading
from typing import Generic, TypeVar

from cachetools import FIFOCache

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """cachetools says who goes; the lock is ours: a full cache that two threads write to at once raises."""

    def __init__(self, size: int) -> None:
        self._kept: FIFOCache[K, V] = FIFOCache(size)
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            return self._kept.get(key)

    def set(self, key: K, value: V) -> None:
        with self._lock:
            self._kept[key] = value
