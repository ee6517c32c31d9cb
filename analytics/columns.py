"""Games as columns, and the window of games that a question is about. Pure: no Django, no Redis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    def concatenate(cls, parts: Sequence["Columns"]) -> Self:
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

    def sorted_by_id(self) -> "Columns":
        """By ascending id, whatever their order was; the newest first is cheap."""
        columns = Columns(self.ids[::-1], self.crash[::-1], self.end_ms[::-1]) if self._descends else self
        if bool((columns.ids[1:] > columns.ids[:-1]).all()):
            return columns
        order = np.argsort(columns.ids)
        return Columns(columns.ids[order], columns.crash[order], columns.end_ms[order])

    @property
    def _descends(self) -> bool:
        return len(self) > 1 and bool(self.ids[0] > self.ids[-1])

    def where(self, mask: Mask) -> "Columns":
        return Columns(self.ids[mask], self.crash[mask], self.end_ms[mask])

    def newest(self, count: int, skip: int = 0) -> "Columns":
        """The newest `count` games but for the very newest `skip`."""
        end = max(0, len(self) - skip)
        part = slice(max(0, end - count), end)
        return Columns(self.ids[part], self.crash[part], self.end_ms[part])

    def ids_between(self, first: int, last: int) -> "Columns":
        """Games with ids from `first` to `last`, both included."""
        start, end = np.searchsorted(self.ids, [first, last + 1])
        part = slice(int(start), int(end))
        return Columns(self.ids[part], self.crash[part], self.end_ms[part])

    def at(self, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Crash point and end time of those of these games that are here."""
        asked = np.array(ids, dtype=np.int64)
        index = np.searchsorted(self.ids, asked)
        here = index < len(self)
        here[here] = self.ids[index[here]] == asked[here]
        found = index[here]
        return dict(
            zip(
                asked[here].tolist(),
                zip(self.crash[found].tolist(), self.end_ms[found].tolist(), strict=True),
                strict=True,
            )
        )

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

    `requested` is what the caller wrote, for the answer; `skip`: of a window of games, how many newer ones it passes
    over.
    """

    kind: Literal["games", "hours", "range", "all"]
    requested: object
    count: int = 0
    from_ms: int = 0
    to_ms: int = 0
    skip: int = 0

    @property
    def previous(self) -> "Window | None":
        """The window of the same size just before; None where nothing can be before."""
        if self.kind == "all":
            return None
        if self.kind == "games":
            return replace(self, skip=self.skip + self.count)
        return replace(self, from_ms=2 * self.from_ms - self.to_ms, to_ms=self.from_ms)

    @property
    def of_time(self) -> bool:
        return self.kind in ("hours", "range")


ALL_GAMES = Window("all", True)


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


@dataclass(frozen=True, slots=True, eq=False)
class WindowWithContext:
    """A window with all recorded games around it: those between its first and last id, and as many before and after
    as the question needs. `reaches_newest`: the window's last game is the newest recorded."""

    window: Slice
    context: Columns
    reaches_newest: bool

    @property
    def recorded(self) -> Columns:
        """All games from the window's first to its last id, in the window or not."""
        ids = self.window.columns.ids
        return self.context.ids_between(int(ids[0]), int(ids[-1])) if len(ids) else Columns.empty()


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
