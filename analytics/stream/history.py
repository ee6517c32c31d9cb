"""The last batches of one view as clients get them: encoded once, shared by all who still need them."""

from bisect import bisect_left
from itertools import accumulate

MAX_PART_BYTES = 64 * 1024  # of one write: what a client that catches up holds in our memory
PRUNE_EVERY = 256


class History:
    """Batches in the order of their versions. It begins at a moment of which nothing is told but its version."""

    def __init__(self, version: int, kept: int) -> None:
        self._max_batches = kept
        self._versions = [version]
        self._batches = [b""]
        self._parts: dict[int, tuple[bytes, int]] = {}  # after a version, until the next batch

    @property
    def oldest_version(self) -> int:
        return self._versions[0]

    @property
    def version(self) -> int:
        return self._versions[-1]

    def append(self, version: int, batch: bytes) -> None:
        """Raises ValueError when the version does not rise."""
        if version <= self.version:
            raise ValueError(f"{version} does not follow {self.version}")
        self._versions.append(version)
        self._batches.append(batch)
        self._parts.clear()
        if len(self._versions) > self._max_batches + PRUNE_EVERY:
            del self._versions[: -self._max_batches], self._batches[: -self._max_batches]

    def batches_behind(self, version: int) -> int | None:
        """How many batches came after this moment; None when it is not one of those kept."""
        if version == self.version:
            return 0
        index = bisect_left(self._versions, version)
        if index == len(self._versions) or self._versions[index] != version:
            return None
        return len(self._versions) - 1 - index

    def batches_after(self, version: int) -> tuple[bytes, int]:
        """The batches after a kept moment, as many as fit a write but at least one, and the moment they lead to."""
        if (part := self._parts.get(version)) is None:
            part = self._parts[version] = self._part(bisect_left(self._versions, version) + 1)
        return part

    def _part(self, start: int) -> tuple[bytes, int]:
        sizes = accumulate(len(batch) for batch in self._batches[start:])
        count = sum(1 for size in sizes if size <= MAX_PART_BYTES) or 1
        return b"".join(self._batches[start : start + count]), self._versions[start + count - 1]
