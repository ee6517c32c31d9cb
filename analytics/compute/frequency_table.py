"""A frequency table of crash points. It answers all-time queries for any condition. Pure: no Django, no Redis."""

from dataclasses import dataclass
from typing import NamedTuple

from analytics.columns import Integers
from analytics.conditions import Condition


class MatchingGames(NamedTuple):
    """The number of games that met a condition, and the ids of the first and the last (None if there is none)."""

    games: int
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True, eq=False)
class FrequencyTable:
    """Parallel arrays: a crash point in hundredths, its number of games, and the ids of the first and the last one."""

    crash: Integers
    games: Integers
    first: Integers
    last: Integers

    def matching(self, condition: Condition) -> MatchingGames:
        """Return the games that met a condition."""
        met = (self.crash >= condition.lowest) & (self.crash <= condition.highest)
        if not met.any():
            return MatchingGames(0, None, None)
        return MatchingGames(int(self.games[met].sum()), int(self.first[met].min()), int(self.last[met].max()))

    def all_games(self) -> MatchingGames:
        """Return all games."""
        if not len(self.crash):
            return MatchingGames(0, None, None)
        return MatchingGames(int(self.games.sum()), int(self.first.min()), int(self.last.max()))
