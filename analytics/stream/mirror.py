"""A process's copy of the view and its last changes. If the copy cannot be continued without a gap, it starts over."""

import asyncio
from collections.abc import Sequence

import msgspec

from analytics.stream import events
from analytics.stream.events import Position, Reason, Snapshot, StreamEntry
from analytics.stream.history import History
from analytics.stream.redis_reader import PAGE_ENTRIES, RedisReader, ViewAndEntries

KEPT_BATCHES = 4_096  # as many as Redis keeps


class NoView(Exception):
    """Redis answers but holds no view: it was never built, or lost."""


class Mirror:
    """The copy. `history` ends at the version of `view`, or beyond it while many changes are being read.

    `generation` is 0 until the first successful read, and rises whenever the copy starts over. A client of an older
    generation must be reset, for `reason`.
    """

    view: Snapshot
    history: History

    def __init__(self, reader: RedisReader, kept_batches: int = KEPT_BATCHES) -> None:
        self.generation = 0
        self.reason: Reason = "rebuilt"
        self._reader = reader
        self._kept_batches = kept_batches
        self._advancing = asyncio.Lock()
        self._snapshot: tuple[Snapshot, bytes] | None = None

    @property
    def version(self) -> int | None:
        """The version of the last batch in the history; None before the first successful read."""
        return self.history.version if self.generation else None

    @property
    def snapshot(self) -> bytes:
        """The view as an event, encoded once per view."""
        if self._snapshot is None or self._snapshot[0] is not self.view:
            self._snapshot = self.view, events.snapshot(self.view)
        return self._snapshot[1]

    async def advance(self) -> bool:
        """Read what is new. Return False if there was nothing. Raises RedisUnavailable, NoView."""
        async with self._advancing:
            found = await self._read(self.version)
            if self.generation and found.view.position == self.view.position:
                return False
            view = None
            if self.generation and found.view.epoch == self.view.epoch:
                view = await self._append_entries(self.history, found)
            if view is None:
                await self._restart(found.view.epoch)
            else:
                self.view = view
            return True

    async def _restart(self, epoch: str) -> None:
        """Copy what Redis holds: the view, and the history as far back as it leads to the view without a gap."""
        found = await self._read(None)
        history = History(found.entries[0][0] if found.entries else found.view.version, self._kept_batches)
        view = await self._append_entries(history, found)
        if view is None:
            history, view = History(found.view.version, self._kept_batches), found.view
        self.reason = "rebuilt" if not self.generation or self.view.epoch != epoch else "interrupted"
        self.history, self.view = history, view
        self.generation += 1

    async def _append_entries(self, history: History, found: ViewAndEntries) -> Snapshot | None:
        """Append to the history, page by page, what follows it.

        Return the view to which the history leads then, or None if it does not lead to a view without a gap.
        """
        while (entries := _entries_after(history.version, found)) is not None:
            for entry in entries:
                history.append(entry.version, events.batch(entry))
            if history.version == found.view.version:
                return found.view
            if len(found.entries) < PAGE_ENTRIES:
                return None
            found = await self._read(history.version)
        return None

    async def _read(self, after: int | None) -> ViewAndEntries:
        found = await self._reader.read(after)
        if found is None:
            raise NoView
        return found


def _entries_after(version: int, found: ViewAndEntries) -> Sequence[StreamEntry] | None:
    """Return the entries after this version.

    Return None if the version itself is not the first of those read, because then others may be missing before it.
    """
    if not found.entries or found.entries[0][0] != version:
        return None
    try:
        entries = [events.parse_entry(entry) for _, entry in found.entries]
    except msgspec.MsgspecError:
        return None
    expected = [Position(found.view.epoch, entry_version) for entry_version, _ in found.entries]
    if [entry.position for entry in entries] != expected:
        return None
    return entries[1:]
