"""Series: maximal runs of games, in id order, that do not meet a condition. Pure: columns in, dataclasses out.

The length of a series says nothing about the next game: its probability does not depend on history.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics.columns import Columns, Integers
from analytics.conditions import Condition

OPEN = 0  # takes the place of the closing game's id while a series is open


@dataclass(frozen=True, slots=True)
class Series:
    """A series: `length` games from id `start` to `end` that did not meet the condition.

    `closer` is the id of the game that ended it, or OPEN. `streak` counts the games in a row, from the closer on, that
    met the condition.
    """

    start: int
    end: int
    length: int
    closer: int
    streak: int

    @property
    def is_open(self) -> bool:
        return self.closer == OPEN

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids that the series refers to."""
        return (self.start, self.end) if self.is_open else (self.start, self.end, self.closer)


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """All series of some columns, oldest first, as parallel arrays.

    `leading` counts the games before the first series; they all met the condition.
    """

    start: Integers
    end: Integers
    length: Integers
    closer: Integers
    streak: Integers
    leading: int

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: int) -> Series:
        return Series(*(int(column[index]) for column in self._columns))

    def take(self, indices: Integers) -> list[Series]:
        rows = zip(*(column[indices].tolist() for column in self._columns), strict=True)
        return [Series(*row) for row in rows]

    @property
    def _columns(self) -> tuple[Integers, ...]:
        return self.start, self.end, self.length, self.closer, self.streak


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals over the series of a window.

    `current` is the length of the open series, 0 if the newest game met the condition, or None if the window ends
    before the newest game.
    """

    count: int
    longest: int | None
    current: int | None
    mean: float | None


def runs(columns: Columns, condition: Condition) -> Runs:
    """Find all series of these games."""
    met = columns.meet(condition)
    edges = np.flatnonzero(np.diff(np.concatenate(([True], met, [True])).astype(np.int8)))
    first, after = edges[::2], edges[1::2]  # [first, after) of every run
    following = np.append(first[1:], len(columns))[: len(first)]
    closed = after < len(columns)
    closer = np.zeros(len(first), dtype=np.int64)
    closer[closed] = columns.ids[after[closed]]
    return Runs(
        columns.ids[first],
        columns.ids[after - 1],
        after - first,
        closer,
        following - after,
        int(first[0]) if len(first) else len(columns),
    )


def overlapping(found: Runs, first_game: int, last_game: int) -> Integers:
    """Return the indices of the series that have games in [first_game, last_game], newest first."""
    return np.flatnonzero((found.end >= first_game) & (found.start <= last_game))[::-1]


def sorted_by_length(found: Runs, indices: Integers) -> Integers:
    """Sort indices by length, the longest first; series of the same length newest first."""
    return indices[np.lexsort((-found.start[indices], -found.length[indices]))]


def summary(found: Runs, indices: Integers, *, reaches_newest: bool) -> Summary:
    """Summarize these series. `reaches_newest`: `found` was computed up to the newest recorded game."""
    lengths = found.length[indices]
    current = _open_length(found) if reaches_newest else None
    if not len(lengths):
        return Summary(0, None, current, None)
    return Summary(len(lengths), int(lengths.max()), current, int(lengths.sum()) / len(lengths))


def _open_length(found: Runs) -> int:
    return found[-1].length if len(found) and found[-1].is_open else 0


def may_start_earlier(columns: Columns, conditions: Sequence[Condition], first_game: int) -> bool:
    """Return True if the series that contains `first_game` may start before these columns do."""
    at = int(np.searchsorted(columns.ids, first_game))
    if at >= len(columns):
        return False
    return any(not columns.meet(condition)[: at + 1].any() for condition in conditions)


def may_end_later(columns: Columns, conditions: Sequence[Condition], last_game: int) -> bool:
    """Return True if the series that contains `last_game`, or the streak after it, may end after these columns do."""
    at = int(np.searchsorted(columns.ids, last_game, side="right")) - 1
    return any(not _streak_ends(columns.meet(condition)[max(at, 0) :]) for condition in conditions)


def _streak_ends(met: np.ndarray) -> bool:
    """Return True if a game that met the condition is followed by one that did not."""
    where = np.flatnonzero(met)
    return len(where) > 0 and not bool(met[where[0] :].all())
