"""The view and its last changes as this process knows them: a copy of what Redis holds, or a new beginning."""

import asyncio
from collections.abc import Sequence

import msgspec

from analytics.stream import events
from analytics.stream.events import Position, Reason, Snapshot, StreamEntry
from analytics.stream.history import History
from analytics.stream.redis_reader import PAGE_ENTRIES, RedisReader, ViewAndEntries

KEPT_BATCHES = 4_096  # as many as Redis keeps


class NoView(Exception):
    """Redis answers, and holds no view: it was never built, or lost."""


class Mirror:
    """`history` ends where the newest `view` is, or beyond it while many changes are being read.

    Whoever knew an older `generation` (0: nothing is known) must begin anew, for `reason`.
    """

    view: Snapshot
    history: History

    def __init__(self, follower: RedisReader, kept_batches: int = KEPT_BATCHES) -> None:
        self.generation = 0
        self.reason: Reason = "rebuilt"
        self._reader = follower
        self._kept_batches = kept_batches
        self._advancing = asyncio.Lock()
        self._snapshot: tuple[Snapshot, bytes] | None = None

    @property
    def version(self) -> int | None:
        return self.history.version if self.generation else None

    @property
    def snapshot(self) -> bytes:
        """The view as an event, encoded once."""
        if self._snapshot is None or self._snapshot[0] is not self.view:
            self._snapshot = self.view, events.snapshot(self.view)
        return self._snapshot[1]

    async def advance(self) -> bool:
        """Read what is new; whether there was anything. Raises RedisUnavailable, NoView."""
        async with self._advancing:
            reading = await self._read(self.version)
            if self.generation and reading.view.position == self.view.position:
                return False
            view = None
            if self.generation and reading.view.epoch == self.view.epoch:
                view = await self._append_entries(self.history, reading)
            if view is None:
                await self._restart(reading.view.epoch)
            else:
                self.view = view
            return True

    async def _restart(self, epoch: str) -> None:
        """Take over what Redis holds; the past as far as it leads to the view without a gap."""
        reading = await self._read(None)
        history = History(reading.entries[0][0] if reading.entries else reading.view.version, self._kept_batches)
        view = await self._append_entries(history, reading)
        if view is None:
            history, view = History(reading.view.version, self._kept_batches), reading.view
        self.reason = "rebuilt" if not self.generation or self.view.epoch != epoch else "interrupted"
        self.history, self.view = history, view
        self.generation += 1

    async def _append_entries(self, history: History, reading: ViewAndEntries) -> Snapshot | None:
        """Append what followed the history, page by page; the view it leads to, None when it does not lead there."""
        while (entries := _entries_after(history.version, reading)) is not None:
            for entry in entries:
                history.append(entry.version, events.batch(entry))
            if history.version == reading.view.version:
                return reading.view
            if len(reading.entries) < PAGE_ENTRIES:
                return None
            reading = await self._read(history.version)
        return None

    async def _read(self, after: int | None) -> ViewAndEntries:
        reading = await self._reader.read(after)
        if reading is None:
            raise NoView
        return reading


def _entries_after(version: int, reading: ViewAndEntries) -> Sequence[StreamEntry] | None:
    """The entries after this version; None where it is not among those read, so that others may be missing."""
    if not reading.entries or reading.entries[0][0] != version:
        return None
    try:
        entries = [events.parse_entry(entry) for _, entry in reading.entries]
    except msgspec.MsgspecError:
        return None
    versions = [entry_version for entry_version, _ in reading.entries]
    if [entry.position for entry in entries] != [Position(reading.view.epoch, known) for known in versions]:
        return None
    return entries[1:]
