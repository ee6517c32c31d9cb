"""How often each crash point came, and when first and last: enough for every condition. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from analytics.columns import Integers
from analytics.conditions import Condition


class MatchingGames(NamedTuple):
    """Games that met a condition: how many, and the ids of the first and the last (None without any)."""

    games: int
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True, eq=False)
class FrequencyTable:
    """Parallel arrays: a crash point in hundredths, its games, and the ids of the first and the last of them."""

    crash: Integers
    games: Integers
    first: Integers
    last: Integers

    def matching(self, condition: Condition) -> MatchingGames:
        met = (self.crash >= condition.lowest) & (self.crash <= condition.highest)
        if not met.any():
            return MatchingGames(0, None, None)
        return MatchingGames(int(self.games[met].sum()), int(self.first[met].min()), int(self.last[met].max()))

    def all_games(self) -> MatchingGames:
        if not len(self.crash):
            return MatchingGames(0, None, None)
        return MatchingGames(int(self.games.sum()), int(self.first.min()), int(self.last.max()))
