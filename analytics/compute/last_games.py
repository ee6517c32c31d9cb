"""The newest games that met a condition, and the number of games since. Pure: columns in, dataclasses out."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analytics.columns import Columns
from analytics.conditions import Condition


@dataclass(frozen=True, slots=True)
class LastGames:
    """The ids of the newest games that met a condition, newest first.

    `games_since` counts the games recorded after the newest of them; None if no game ever met the condition.
    """

    condition: Condition
    ids: tuple[int, ...]
    games_since: int | None


def last_games(columns: Columns, conditions: Iterable[Condition], limit: int) -> list[LastGames]:
    """Find the newest games that met each condition.

    `columns` must reach up to the newest game, and back until `has_enough` is True or to the first game.
    """
    return [_last_games(columns, condition, limit) for condition in conditions]


def has_enough(columns: Columns, conditions: Iterable[Condition], limit: int) -> bool:
    """Return True if at least `limit` of the games met each condition."""
    return all(int(columns.meet(condition).sum()) >= limit for condition in conditions)


def _last_games(columns: Columns, condition: Condition, limit: int) -> LastGames:
    met = np.flatnonzero(columns.meet(condition))
    if not len(met):
        return LastGames(condition, (), None)
    newest_first = columns.ids[met[-limit:]][::-1].tolist()
    return LastGames(condition, tuple(newest_first), len(columns) - 1 - int(met[-1]))
