"""Count the games that met a condition. Pure: columns in, dataclasses out."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analytics.columns import UNKNOWN_TIME, Columns
from analytics.conditions import Condition


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The number of `games`, how many of them met `condition`, and the end times (Unix ms) of the first and the last.

    First and last are by id. A time is None if no game met the condition or if that game's end time is unknown.
    """

    condition: Condition
    count: int
    games: int
    first_game_ms: int | None
    last_game_ms: int | None


def occurrences(columns: Columns, conditions: Iterable[Condition]) -> list[Occurrences]:
    return [_occurrences(columns, condition) for condition in conditions]


def _occurrences(columns: Columns, condition: Condition) -> Occurrences:
    met = np.flatnonzero(columns.meet(condition))
    first, last = (int(columns.end_ms[met[0]]), int(columns.end_ms[met[-1]])) if len(met) else (0, 0)
    return Occurrences(
        condition,
        len(met),
        len(columns),
        first if first != UNKNOWN_TIME else None,
        last if last != UNKNOWN_TIME else None,
    )
