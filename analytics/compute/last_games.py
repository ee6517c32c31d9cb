"""The newest games that met a condition, and how long ago. Pure: columns in, dataclasses out."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analytics.columns import Columns
from analytics.conditions import Condition


@dataclass(frozen=True, slots=True)
class LastGames:
    """Ids newest first; `games_since`: games recorded after the newest of them, None where none ever met it."""

    condition: Condition
    ids: tuple[int, ...]
    games_since: int | None


def last_games(columns: Columns, conditions: Iterable[Condition], limit: int) -> list[LastGames]:
    """`columns` reach to the newest game and back as far as needed (`enough`)."""
    return [_last_games(columns, condition, limit) for condition in conditions]


def has_enough(columns: Columns, conditions: Iterable[Condition], limit: int) -> bool:
    return all(int(columns.meet(condition).sum()) >= limit for condition in conditions)


def _last_games(columns: Columns, condition: Condition, limit: int) -> LastGames:
    met = np.flatnonzero(columns.meet(condition))
    if not len(met):
        return LastGames(condition, (), None)
    newest_first = columns.ids[met[-limit:]][::-1].tolist()
    return LastGames(condition, tuple(newest_first), len(columns) - 1 - int(met[-1]))
