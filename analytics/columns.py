"""Games as columns, and the window of games that a question is about. Pure: no Django, no Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from analytics.conditions import Condition

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNKNOWN_TIME = 0  # an end time that no source told; such games are in no window of time


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Games in ascending id order: ids, crash points in hundredths, end times in Unix ms (UNKNOWN_TIME: none)."""

    ids: Integers
    crash: Integers
    end_ms: Integers

    @classmethod
    def empty(cls) -> Self:
        nothing = np.empty(0, dtype=np.int64)
        return cls(nothing, nothing, nothing)

    @classmethod
    def joined(cls, parts: Sequence["Columns"]) -> Self:
        """One after the other; the ids must ascend over all of them."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.crash for part in parts]),
            np.concatenate([part.end_ms for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, mask: Mask) -> "Columns":
        return Columns(self.ids[mask], self.crash[mask], self.end_ms[mask])

    def newest(self, count: int) -> "Columns":
        return Columns(self.ids[-count:], self.crash[-count:], self.end_ms[-count:])

    def timed(self) -> Mask:
        known: Mask = self.end_ms != UNKNOWN_TIME
        return known

    def between(self, from_ms: int, to_ms: int) -> Mask:
        """Games whose end time is known and in [from_ms, to_ms)."""
        return self.timed() & (self.end_ms >= from_ms) & (self.end_ms < to_ms)

    def meet(self, condition: Condition) -> Mask:
        met: Mask = (self.crash >= condition.lowest) & (self.crash <= condition.highest)
        return met


@dataclass(frozen=True, slots=True)
class Window:
    """What a question is about, resolved: the last `count` games, the games ended in [from_ms, to_ms), or all.

    `requested` is what the caller wrote, for the answer.
    """

    kind: Literal["games", "hours", "range", "all"]
    requested: object
    count: int = 0
    from_ms: int = 0
    to_ms: int = 0

    @property
    def of_time(self) -> bool:
        return self.kind in ("hours", "range")


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The games of a window and what the answer says of it.

    `recorded_between`: games recorded with ids from the first to the last of `columns`, whether or not they are
    in the window (their time may be unknown). `reaches_back`: the data go back as far as the window asks.
    """

    columns: Columns
    recorded_between: int
    reaches_back: bool

    @property
    def coverage(self) -> "Coverage":
        columns = self.columns
        if not len(columns):
            return Coverage(None, None, UNKNOWN_TIME, UNKNOWN_TIME, 0, 0, self.reaches_back)
        first, last = int(columns.ids[0]), int(columns.ids[-1])
        return Coverage(
            first,
            last,
            int(columns.end_ms[0]),
            int(columns.end_ms[-1]),
            len(columns),
            last - first + 1 - self.recorded_between,
            self.reaches_back,
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an answer covered: ids and end times (ms) of the first and last game, how many, ids without a record
    between them, and whether the data reach back as far as asked."""

    first_game: int | None
    last_game: int | None
    first_ms: int
    last_ms: int
    games: int
    missing_games: int
    complete: bool
