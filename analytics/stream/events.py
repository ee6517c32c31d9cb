"""What the view's scripts tell, and what clients hear: JSON in, bytes of an event stream out. No Redis here.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from games.crash_points import to_number
from games.times import from_unix_ms

HEARTBEAT = b":\n\n"

Reason = Literal["rebuilt", "too_old", "unknown_id", "interrupted", "slow"]
_ID = re.compile(r"([0-9A-Za-z]{1,64}):([1-9][0-9]{0,15})")


class Position(NamedTuple):
    """A moment of one view, `epoch:version`: the id of the event that ends a batch, or of a snapshot."""

    epoch: str
    version: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.version}"

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        found = _ID.fullmatch(text)
        return cls(found[1], int(found[2])) if found else None


class Game(msgspec.Struct, frozen=True):
    """`crash_point` is null of a game that was removed; `end_time` also where it is unknown."""

    game_id: int
    crash_point: float | None
    end_time: datetime | None

    @classmethod
    def from_hundredths(cls, game_id: int, crash_hundredths: int, end_ms: int) -> "Game":
        return cls(game_id, _point(crash_hundredths), _time(end_ms))


class ChangedGame(msgspec.Struct, frozen=True):
    """A game as it is after its change."""

    game_id: int
    crash_point: float | None
    end_time: datetime | None
    change: Literal["new", "corrected", "removed"]


class Snapshot(msgspec.Struct, frozen=True):
    """The view at one moment, its newest games first."""

    epoch: str
    version: int
    games: int
    head: int | None
    newest: Sequence[Game]

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.version)


class Analytics(msgspec.Struct, frozen=True):
    """What a batch changed, by number of games. `omitted`: changed games without an event of their own."""

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
    """An entry of the Redis stream; all but its moment is missing where a history begins (`reset`)."""

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
    """Raises msgspec.MsgspecError for what no script of ours wrote."""
    return _decode(entry)


def batch(entry: StreamEntry) -> bytes:
    """A batch as clients get it. Only its last event has an id: who was cut off before it hears all of it again."""
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
    """A snapshot follows: without an id of its own, who is cut off between the two is reset again."""
    return _event("reset", {"reason": reason})


def degraded(since_ms: int) -> bytes:
    return _event("degraded", {"since": from_unix_ms(since_ms)})


def resumed(position: Position) -> bytes:
    return _event("resumed", {"version": position.version})


def retry(milliseconds: int) -> bytes:
    return b"retry: %d\n\n" % milliseconds


def _point(hundredths: int) -> float | None:
    return to_number(hundredths) if hundredths else None


def _time(ms: int) -> datetime | None:
    return from_unix_ms(ms) if ms else None


def _event(name: str, data: object, position: Position | None = None) -> bytes:
    id_line = f"id: {position}\n" if position else ""
    return f"event: {name}\n{id_line}data: ".encode() + _encode(data) + b"\n\n"
