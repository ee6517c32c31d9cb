"""The last batches of one view in their encoded form, shared by all clients that still need them."""

from bisect import bisect_left
from itertools import accumulate

MAX_PART_BYTES = 64 * 1024  # per write, and so the memory that a client occupies while it catches up
PRUNE_EVERY = 256


class History:
    """Batches in the order of their versions. The first one is empty: it marks the position at which they begin."""

    def __init__(self, version: int, max_batches: int) -> None:
        self._max_batches = max_batches
        self._versions = [version]
        self._batches = [b""]
        self._parts: dict[int, tuple[bytes, int]] = {}  # results of batches_after, until the next batch

    @property
    def oldest_version(self) -> int:
        return self._versions[0]

    @property
    def version(self) -> int:
        return self._versions[-1]

    def append(self, version: int, batch: bytes) -> None:
        """Append a batch. Raises ValueError if the version does not rise."""
        if version <= self.version:
            raise ValueError(f"{version} does not follow {self.version}")
        self._versions.append(version)
        self._batches.append(batch)
        self._parts.clear()
        if len(self._versions) > self._max_batches + PRUNE_EVERY:
            del self._versions[: -self._max_batches], self._batches[: -self._max_batches]

    def batches_behind(self, version: int) -> int | None:
        """Return the number of batches after this version, or None if the version is not in the history."""
        if version == self.version:
            return 0
        index = bisect_left(self._versions, version)
        if index == len(self._versions) or self._versions[index] != version:
            return None
        return len(self._versions) - 1 - index

    def batches_after(self, version: int) -> tuple[bytes, int]:
        """Return the next batches after a version of the history, and the version that they lead to.

        They are at least one and otherwise as many as fit into MAX_PART_BYTES.
        """
        if (part := self._parts.get(version)) is None:
            part = self._parts[version] = self._part(bisect_left(self._versions, version) + 1)
        return part

    def _part(self, start: int) -> tuple[bytes, int]:
        sizes = accumulate(len(batch) for batch in self._batches[start:])
        count = sum(1 for size in sizes if size <= MAX_PART_BYTES) or 1
        return b"".join(self._batches[start : start + count]), self._versions[start + count - 1]
