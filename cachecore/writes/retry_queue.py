"""Invalidations that Redis did not take when a transaction committed: remembered, until they are paid (paying.py).

Bounded by MAX_NAMES; beyond that there is one debt, everything. Until it is paid this process neither reads nor
stores what is owed. Other processes serve the old value until then, or until its TTL: the accepted limit of a cache
that is away at the moment of a commit. The debt dies with the process.
"""

import threading
from collections.abc import Iterable
from typing import NamedTuple

MAX_NAMES = 10_000


class Debt(NamedTuple):
    keys: frozenset[str]
    tags: frozenset[str]
    everything: bool
    serial: int


class Backlog:
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

    def owe(self, keys: Iterable[str], tags: Iterable[str]) -> None:
        with self._lock:
            self._serial += 1
            self._keys.update(keys)
            self._tags.update(tags)
            if len(self._keys) + len(self._tags) > MAX_NAMES:
                self._everything = True
                self._keys, self._tags = set(), set()

    def owes(self, key: str, tags: Iterable[str]) -> bool:
        with self._lock:
            return self._everything or key in self._keys or not self._tags.isdisjoint(tags)

    def due(self) -> Debt | None:
        """The debt to pay. It stays owed until it is `paid`."""
        with self._lock:
            if not self:
                return None
            return Debt(frozenset(self._keys), frozenset(self._tags), self._everything, self._serial)

    def paid(self, debt: Debt) -> None:
        """Nothing is struck out when something was owed anew meanwhile: it may be the same name."""
        with self._lock:
            if debt.serial == self._serial:
                self._keys, self._tags, self._everything = set(), set(), False
