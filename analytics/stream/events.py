"""Encode events: from the JSON entries of the view's scripts to server-sent events. Pure: no Redis.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from cachecore.responses.times import format_time
from games.crash_points import to_number
from games.times import from_unix_ms

# A comment without the empty line that ends an event: some clients deliver an empty event for a block without data.
HEARTBEAT = b":\n"

Reason = Literal["rebuilt", "too_old", "unknown_id", "interrupted", "slow"]
_ID = re.compile(r"([0-9A-Za-z]{1,64}):([1-9][0-9]{0,15})")


class Position(NamedTuple):
    """A position in the history, `epoch:version`: the id of the event that ends a batch, or of a snapshot."""

    epoch: str
    version: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.version}"

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Parse an event id. Return None if the text is not one."""
        found = _ID.fullmatch(text)
        return cls(found[1], int(found[2])) if found else None


class Game(msgspec.Struct, frozen=True):
    """A game in a snapshot. `end_time` is null if it is unknown."""

    game_id: int
    crash_point: float | None
    end_time: str | None

    @classmethod
    def from_hundredths(cls, game_id: int, crash_hundredths: int, end_ms: int) -> "Game":
        return cls(game_id, _point(crash_hundredths), _time(end_ms))


class ChangedGame(msgspec.Struct, frozen=True):
    """A game after its change. `crash_point` and `end_time` are null if it was removed."""

    game_id: int
    crash_point: float | None
    end_time: str | None
    change: Literal["new", "corrected", "removed"]


class Snapshot(msgspec.Struct, frozen=True):
    """The view at one version, with its newest games, newest first."""

    epoch: str
    version: int
    games: int
    head: int | None
    newest: Sequence[Game]

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.version)


class Analytics(msgspec.Struct, frozen=True):
    """The end of a batch: the view's new state, and the number of changed games by kind.

    `omitted` counts the changed games that had no event of their own.
    """

    version: int
    head: int | None
    games: int
    new: int
    corrected: int
    removed: int
    omitted: int


class _Change(msgspec.Struct):
    game_id: int
    crash_hundredths: int
    end_ms: int
    change: Literal["new", "corrected", "removed"]


class StreamEntry(msgspec.Struct):
    """An entry of the Redis stream. The first entry of a history (`reset`) has a position only."""

    epoch: str
    version: int
    reset: bool = False
    head: int | None = None
    games: int = 0
    new: int = 0
    corrected: int = 0
    removed: int = 0
    omitted: int = 0
    changes: list[_Change] = []

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.version)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StreamEntry).decode


def parse_entry(entry: bytes) -> StreamEntry:
    """Parse an entry. Raises msgspec.MsgspecError if its JSON has another shape than the scripts write."""
    return _decode(entry)


def batch(entry: StreamEntry) -> bytes:
    """Encode a batch. Only its last event has an id, so a client that was cut off before it gets the batch again."""
    games = [
        ChangedGame(change.game_id, _point(change.crash_hundredths), _time(change.end_ms), change.change)
        for change in entry.changes
    ]
    summary = Analytics(
        entry.version, entry.head, entry.games, entry.new, entry.corrected, entry.removed, entry.omitted
    )
    return b"".join([*(_event("game", game) for game in games), _event("analytics", summary, entry.position)])


def snapshot(view: Snapshot) -> bytes:
    return _event("snapshot", view, view.position)


def reset(reason: Reason) -> bytes:
    """Encode a reset. It has no id: a client that is cut off before the snapshot that follows is reset again."""
    return _event("reset", {"reason": reason})


def degraded(since_ms: int) -> bytes:
    return _event("degraded", {"since": format_time(from_unix_ms(since_ms))})


def resumed(position: Position) -> bytes:
    return _event("resumed", {"version": position.version})


def retry(milliseconds: int) -> bytes:
    """Encode the reconnection time as the beginning of the first event's block.

    In a block of its own it is an event without data for clients such as httpx-sse, whose users parse data as JSON.
    """
    return b"retry: %d\n" % milliseconds


def _point(hundredths: int) -> float | None:
    return to_number(hundredths) if hundredths else None


def _time(ms: int) -> str | None:
    return format_time(from_unix_ms(ms)) if ms else None


def _event(name: str, data: object, position: Position | None = None) -> bytes:
    id_line = f"id: {position}\n" if position else ""
    return f"event: {name}\n{id_line}data: ".encode() + _encode(data) + b"\n\n"
