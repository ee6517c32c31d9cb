"""Games as columns of numbers, and windows of games. Pure: no Django, no Redis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from analytics.conditions import Condition

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNKNOWN_TIME = 0  # an end time that no source reported; such games are in no time window


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Games in ascending id order: ids, crash points in hundredths, end times in Unix ms (or UNKNOWN_TIME)."""

    ids: Integers
    crash: Integers
    end_ms: Integers

    @classmethod
    def empty(cls) -> Self:
        nothing = np.empty(0, dtype=np.int64)
        return cls(nothing, nothing, nothing)

    @classmethod
    def concatenate(cls, parts: Sequence["Columns"]) -> Self:
        """Join the parts in this order. The ids must ascend over all of them."""
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
        """Return the games by ascending id. Games in descending order, newest first, are cheap to sort."""
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
        """Return the newest `count` games after leaving out the newest `skip`."""
        end = max(0, len(self) - skip)
        part = slice(max(0, end - count), end)
        return Columns(self.ids[part], self.crash[part], self.end_ms[part])

    def ids_between(self, first: int, last: int) -> "Columns":
        """Return the games with ids from `first` to `last`, both included."""
        start, end = np.searchsorted(self.ids, [first, last + 1])
        part = slice(int(start), int(end))
        return Columns(self.ids[part], self.crash[part], self.end_ms[part])

    def at(self, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Return crash point and end time by id, for those of these ids that are present."""
        wanted = np.array(ids, dtype=np.int64)
        index = np.searchsorted(self.ids, wanted)
        present = index < len(self)
        present[present] = self.ids[index[present]] == wanted[present]
        found = index[present]
        return dict(
            zip(
                wanted[present].tolist(),
                zip(self.crash[found].tolist(), self.end_ms[found].tolist(), strict=True),
                strict=True,
            )
        )

    def timed(self) -> Mask:
        """Return the mask of the games whose end time is known."""
        timed: Mask = self.end_ms != UNKNOWN_TIME
        return timed

    def between(self, from_ms: int, to_ms: int) -> Mask:
        """Return the mask of the games whose end time is known and in [from_ms, to_ms)."""
        return self.timed() & (self.end_ms >= from_ms) & (self.end_ms < to_ms)

    def meet(self, condition: Condition) -> Mask:
        """Return the mask of the games that meet the condition."""
        met: Mask = (self.crash >= condition.lowest) & (self.crash <= condition.highest)
        return met


@dataclass(frozen=True, slots=True)
class Window:
    """The games that a query covers: the last `count` games, the games that ended in [from_ms, to_ms), or all games.

    `requested` is the client's parameter, repeated in the response. `skip` is the number of newest games that a window
    of games leaves out.
    """

    kind: Literal["games", "hours", "range", "all"]
    requested: object
    count: int = 0
    from_ms: int = 0
    to_ms: int = 0
    skip: int = 0

    @property
    def previous(self) -> "Window | None":
        """The window of the same size just before this one; None if this one covers all games."""
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
    """The games of a window, and what its coverage is computed from.

    `recorded_between` counts the games recorded from the first to the last id of `columns`, also those that are not in
    the window, for example because their end time is unknown. `reaches_back` is True if the data reach back to the
    start of the window.
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
    """A window with the games around it that are needed to compute its series.

    `context` holds all recorded games from the window's first to its last id, in the window or not, and as many before
    and after them as the query needs. `reaches_newest` is True if the window's last game is the newest one recorded.
    """

    window: Slice
    context: Columns
    reaches_newest: bool

    @property
    def recorded(self) -> Columns:
        """All recorded games from the window's first to its last id, in the window or not."""
        ids = self.window.columns.ids
        return self.context.ids_between(int(ids[0]), int(ids[-1])) if len(ids) else Columns.empty()


@dataclass(frozen=True, slots=True)
class Coverage:
    """The games that a result covers: ids and end times (ms) of the first and the last game, and how many they are.

    `missing_games` counts the ids between them that have no record. `complete` is True if the data reach back to the
    start of the window.
    """

    first_game: int | None
    last_game: int | None
    first_ms: int
    last_ms: int
    games: int
    missing_games: int
    complete: bool
