"""A value as a process's memory keeps it (cachecore/storage/local_cache.py)."""

import sys
from collections.abc import Mapping
from typing import Any

from cachecore.keys import Key
from cachecore.storage.envelope import NotFound, Payload

ENTRY_BYTES = 700  # what an entry costs beside its value and key, measured
TAG_BYTES = 400  # and what a tag of its own costs: its name, version and cell, measured
# What cannot be changed is handed out as it is; anything else is decoded for every caller.
IMMUTABLE_TYPES = (str, bytes, int, float, bool, type(None), NotFound)


class TagCell:
    """Shared by the entries of one tag, so that an own invalidation kills them all in one write."""

    __slots__ = ("__weakref__", "alive")

    def __init__(self) -> None:
        self.alive = True


class Entry:
    """A value as this process knows it. Times are of the monotonic clock."""

    __slots__ = (
        "__weakref__",
        "cells",
        "fresh_until",
        "hard_until",
        "header",
        "key",
        "payload",
        "requested_tags",
        "revalidating",
        "shared",
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
        self.revalidating = self.used = self.shared = False

    @property
    def size(self) -> int:
        """Bytes, at least what it costs: a tag's cost is counted for each of its values."""
        value = sys.getsizeof(self.value) if self.shared else 0  # beside its payload
        return len(self.payload.data) + value + len(self.key) + ENTRY_BYTES + len(self.versions) * TAG_BYTES

    def alive(self) -> bool:
        """Whether this process has invalidated none of its tags."""
        for cell in self.cells:  # noqa: SIM110  a loop: all() with a generator costs more than the rest of a hit
            if not cell.alive:
                return False
        return True
