"""Count the games that met a condition per interval of time. Pure: columns in, dataclasses out."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analytics.columns import Columns, Integers
from analytics.conditions import Condition


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """`n` intervals of `width_ms` from `start_ms`, which is a multiple of `width_ms` since the Unix epoch."""

    start_ms: int
    width_ms: int
    n: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.n * self.width_ms

    @property
    def starts_ms(self) -> Integers:
        return self.start_ms + self.width_ms * np.arange(self.n, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """The number of games per interval of the grid: those that met `condition`, and all."""

    condition: Condition
    counts: Integers
    games: Integers


def grid_covering(from_ms: int, to_ms: int, width_ms: int) -> Grid:
    """Return the aligned intervals that [from_ms, to_ms) overlaps; the first and the last may extend beyond it."""
    start = from_ms // width_ms * width_ms
    return Grid(start, width_ms, max(0, -(-(to_ms - start) // width_ms)))


def intervals(columns: Columns, conditions: Iterable[Condition], grid: Grid) -> list[Intervals]:
    """Count by end time. Games without one, or outside the grid, are in no interval."""
    inside = columns.where(columns.between(grid.start_ms, grid.end_ms))
    index = (inside.end_ms - grid.start_ms) // grid.width_ms
    games = np.bincount(index, minlength=grid.n).astype(np.int64)
    return [
        Intervals(
            condition,
            np.bincount(index[inside.meet(condition)], minlength=grid.n).astype(np.int64),
            games,
        )
        for condition in conditions
    ]
