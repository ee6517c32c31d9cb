"""What a file has said so far, on disk: a file of any size is imported in the same memory."""

import sqlite3
from dataclasses import astuple
from enum import Enum, auto
from hashlib import blake2b
from types import TracebackType
from typing import Self

from games.rounds import Round


class Sight(Enum):
    NEW = auto()
    REPEATED = auto()
    DIFFERENT = auto()


class Seen:
    """A temporary SQLite database of (game id, line, digest of the values); it vanishes when closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # the empty name: a private file, written when the cache is full
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (game_id INTEGER PRIMARY KEY, line INTEGER, digest BLOB)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def look(self, told: Round, line: int) -> Sight:
        """Remember a round when its game is new."""
        digest = _digest(told)
        inserted = self._database.execute(
            "INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (told.game_id, line, digest)
        )
        if inserted.rowcount:
            return Sight.NEW
        ((first,),) = self._database.execute("SELECT digest FROM seen WHERE game_id = ?", (told.game_id,))
        return Sight.REPEATED if first == digest else Sight.DIFFERENT

    def line_of(self, game_id: int) -> int:
        ((line,),) = self._database.execute("SELECT line FROM seen WHERE game_id = ?", (game_id,))
        return int(line)

    def forget(self, game_id: int) -> None:
        """Its line was rejected after all: a later one may stand."""
        self._database.execute("DELETE FROM seen WHERE game_id = ?", (game_id,))


def _digest(told: Round) -> bytes:
    return blake2b(repr(astuple(told)).encode(), digest_size=16).digest()
