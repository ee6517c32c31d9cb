"""An access log, generated and seeded: what is asked follows Zipf's law, when follows Poisson's."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from benchmarks._table import FIRST_GAME

SEED = 4
EXPONENT = 1.0  # of Zipf's law: the second URL is asked half as often as the first, the third a third
# Each endpoint with the share of the URLs that it has. {condition}, {page}, {game} are filled in.
ENDPOINTS = {
    "/api/analytics/occurrences/?{condition}": 4,
    "/api/analytics/occurrences/?{condition}&hours=24": 2,
    "/api/analytics/occurrences/?{condition}&all=true": 1,
    "/api/analytics/intervals/?{condition}": 4,
    "/api/analytics/intervals/?{condition}&hours=72&interval=60": 1,
    "/api/analytics/series/?{condition}": 3,
    "/api/analytics/last-games/?{condition}": 3,
    "/api/analytics/last-games/?{condition}&limit=10": 1,
    "/api/analytics/game-sets/?{condition}": 1,
    "/api/analytics/distribution/?games={games}": 1,
    "/api/analytics/volatility/?games={games}": 1,
    "/api/analytics/audit/?games={games}": 1,
    "/api/games/?page={page}": 2,
    "/api/games/?{condition}&per_page=50": 1,
    "/api/games/{game}/": 2,
    "/api/games/{game}/verification/": 1,
}
# The families of those answers.
FAMILIES = (
    *("occurrence", "interval", "series-answer", "last-games", "game-sets", "distribution", "volatility", "audit"),
)
OFF = ",".join([*(f"analytics-{name}" for name in FAMILIES), "games-list", "games-single", "games-verification"])
CONDITIONS = (
    *("min=1.5", "min=2", "min=3", "min=5", "min=10", "min=20", "min=50", "min=100", "min=500", "min=1000"),
    *("max=1.2", "max=1.5", "max=2", "floor=1", "floor=2", "floor=5", "floor=10", "min=2,10,100", "min=7", "min=25"),
)
ZONES = {"": 6, "Europe/London": 2, "America/New_York": 1, "Asia/Tokyo": 1}
BY_HEADER = 0.3  # of those with a zone; the others name it in the URL


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log. `at`: seconds from its beginning. `zone`: the header X-Timezone, or empty."""

    at: float
    path: str
    zone: str


class AccessLog:
    """Endless. The same seed gives the same URLs at the same popularity, and the same lines."""

    def __init__(self, urls: int, games: int, *, seed: int = SEED) -> None:
        self._dice = random.Random(seed)
        self._urls = list(islice(self._invented(games), urls))
        self._weights = list(accumulate(1 / rank**EXPONENT for rank in range(1, urls + 1)))

    def replay(self, rate: float, seconds: float) -> list[Entry]:
        """The next lines: `rate` a second on average, at moments that know nothing of each other."""
        entries, at = [], self._dice.expovariate(rate)
        while at < seconds:
            path, zone = self._dice.choices(self._urls, cum_weights=self._weights)[0]
            entries.append(Entry(at, path, zone))
            at += self._dice.expovariate(rate)
        return entries

    def paths(self, count: int) -> Sequence[str]:
        """The next lines for a client that sends no headers of its own."""
        return [path for path, _ in self._dice.choices(self._urls, cum_weights=self._weights, k=count)]

    def _invented(self, games: int) -> Iterator[tuple[str, str]]:
        """Distinct URLs, the most popular first."""
        seen: set[tuple[str, str]] = set()
        while True:
            (pattern,) = self._dice.choices(list(ENDPOINTS), list(ENDPOINTS.values()))
            path = pattern.format(
                condition=self._dice.choice(CONDITIONS),
                games=self._dice.choice((500, 1_000, 2_000, 5_000, 10_000)),
                page=self._dice.randint(1, 20),
                game=FIRST_GAME + games - self._dice.randint(1, 200),
            )
            (zone,) = self._dice.choices(list(ZONES), list(ZONES.values()))
            if zone and self._dice.random() >= BY_HEADER:
                path, zone = f"{path}{'&' if '?' in path else '?'}tz={zone}", ""
            if (path, zone) not in seen:
                seen.add((path, zone))
                yield path, zone
