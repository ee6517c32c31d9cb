"""Count the games that met a condition per set of consecutive ids. Pure: columns in, dataclasses out."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analytics.columns import Columns, Integers, Mask
from analytics.conditions import Condition


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """Sets of `size` ids that begin at multiples of `size`, newest first; sets without a game are left out.

    Each array has one entry per set: its first and last game in the window, their end times (ms), and its number of
    games in the window. `missing` counts the ids without a record in the part of the set that the window spans.
    """

    size: int
    first_game: Integers
    last_game: Integers
    start_ms: Integers
    end_ms: Integers
    games: Integers
    missing: Integers

    def __len__(self) -> int:
        return len(self.games)


@dataclass(frozen=True, slots=True, eq=False)
class SetCounts:
    condition: Condition
    counts: Integers


def game_sets(inside: Columns, recorded: Columns, size: int) -> Sets:
    """Group the games of a window (`inside`) into sets. `recorded` holds all games from its first to its last id."""
    numbers, first = np.unique(inside.ids // size, return_index=True)
    after = np.append(first[1:], len(inside))[: len(first)]
    spans = _spans(inside, numbers, size)
    here, there = np.searchsorted(recorded.ids, spans[0]), np.searchsorted(recorded.ids, spans[1], side="right")
    newest_first = slice(None, None, -1)
    return Sets(
        size,
        inside.ids[first][newest_first],
        inside.ids[after - 1][newest_first],
        inside.end_ms[first][newest_first],
        inside.end_ms[after - 1][newest_first],
        (after - first)[newest_first],
        (spans[1] - spans[0] + 1 - (there - here))[newest_first],
    )


def counts(inside: Columns, conditions: Iterable[Condition], size: int) -> list[SetCounts]:
    """Count per condition the games that met it in each set, in the order of `game_sets`."""
    _, index = np.unique(inside.ids // size, return_inverse=True)
    sets = int(index.max()) + 1 if len(index) else 0
    return [SetCounts(condition, _per_set(index, inside.meet(condition), sets)[::-1]) for condition in conditions]


def _per_set(index: Integers, met: Mask, sets: int) -> Integers:
    return np.bincount(index[met], minlength=sets).astype(np.int64)


def _spans(inside: Columns, numbers: Integers, size: int) -> tuple[Integers, Integers]:
    """Return the first and the last id of each set, cut off at the ends of the window.

    Ids beyond its ends are not requested or not yet played, so they must not count as missing.
    """
    if not len(inside):
        return numbers, numbers
    return np.maximum(numbers * size, inside.ids[0]), np.minimum(numbers * size + size - 1, inside.ids[-1])
