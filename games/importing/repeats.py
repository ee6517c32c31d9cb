"""Detect games that a file contains more than once. The state is on disk, so memory does not grow with the file."""

import sqlite3
from dataclasses import astuple
from enum import Enum, auto
from hashlib import blake2b
from types import TracebackType
from typing import Self

from games.rounds import Round


class Repeat(Enum):
    """How a round relates to the earlier lines of the file: new, the same values again, or different values."""

    NEW = auto()
    REPEATED = auto()
    DIFFERENT = auto()


class RepeatDetector:
    """A temporary SQLite database of (game id, line, digest of the values), which is deleted when closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # an empty name means a private temporary file
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (game_id INTEGER PRIMARY KEY, line INTEGER, digest BLOB)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def check(self, round_: Round, line: int) -> Repeat:
        """Compare a round with the earlier lines. If its game is new, remember it."""
        digest = _digest(round_)
        inserted = self._database.execute(
            "INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (round_.game_id, line, digest)
        )
        if inserted.rowcount:
            return Repeat.NEW
        ((first,),) = self._database.execute("SELECT digest FROM seen WHERE game_id = ?", (round_.game_id,))
        return Repeat.REPEATED if first == digest else Repeat.DIFFERENT

    def line_of(self, game_id: int) -> int:
        """Return the line number of the first round of a game."""
        ((line,),) = self._database.execute("SELECT line FROM seen WHERE game_id = ?", (game_id,))
        return int(line)

    def forget(self, game_id: int) -> None:
        """Forget a game whose line was rejected, so that a later line can be recorded instead."""
        self._database.execute("DELETE FROM seen WHERE game_id = ?", (game_id,))


def _digest(round_: Round) -> bytes:
    return blake2b(repr(astuple(round_)).encode(), digest_size=16).digest()
