"""A generated, seeded access log: the popularity of URLs follows Zipf's law, the times are a Poisson process."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from benchmarks._games_table import FIRST_GAME

SEED = 4
EXPONENT = 1.0  # of Zipf's law: the second URL is requested half as often as the first, the third a third
# Each endpoint with its weight among the URLs. {condition}, {page} and {game} are filled in.
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
# The families of the endpoints' responses.
FAMILIES = (
    *("occurrence", "interval", "series-answer", "last-games", "game-sets", "distribution", "volatility", "audit"),
)
ALL_RESPONSE_FAMILIES = ",".join(
    [*(f"analytics-{name}" for name in FAMILIES), "games-list", "games-single", "games-verification"]
)
CONDITIONS = (
    *("min=1.5", "min=2", "min=3", "min=5", "min=10", "min=20", "min=50", "min=100", "min=500", "min=1000"),
    *("max=1.2", "max=1.5", "max=2", "floor=1", "floor=2", "floor=5", "floor=10", "min=2,10,100", "min=7", "min=25"),
)
ZONES = {"": 6, "Europe/London": 2, "America/New_York": 1, "Asia/Tokyo": 1}
HEADER_SHARE = 0.3  # of the requests with a zone; the others have it in the URL


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log. `at` is in seconds from its beginning. `zone` is the header X-Timezone, or empty."""

    at: float
    path: str
    zone: str


class AccessLog:
    """An endless log. The same seed gives the same URLs with the same popularity, and the same lines."""

    def __init__(self, urls: int, games: int, *, seed: int = SEED) -> None:
        self._random = random.Random(seed)
        self._urls = list(islice(self._generate_urls(games), urls))
        self._weights = list(accumulate(1 / rank**EXPONENT for rank in range(1, urls + 1)))

    def replay(self, rate: float, seconds: float) -> list[Entry]:
        """Return the next lines: `rate` per second on average, at independent times."""
        entries, at = [], self._random.expovariate(rate)
        while at < seconds:
            path, zone = self._random.choices(self._urls, cum_weights=self._weights)[0]
            entries.append(Entry(at, path, zone))
            at += self._random.expovariate(rate)
        return entries

    def paths(self, count: int) -> Sequence[str]:
        """Return the paths of the next lines, for a client that sends no headers."""
        return [path for path, _ in self._random.choices(self._urls, cum_weights=self._weights, k=count)]

    def _generate_urls(self, games: int) -> Iterator[tuple[str, str]]:
        """Yield distinct URLs, the most popular first."""
        seen: set[tuple[str, str]] = set()
        while True:
            (pattern,) = self._random.choices(list(ENDPOINTS), list(ENDPOINTS.values()))
            path = pattern.format(
                condition=self._random.choice(CONDITIONS),
                games=self._random.choice((500, 1_000, 2_000, 5_000, 10_000)),
                page=self._random.randint(1, 20),
                game=FIRST_GAME + games - self._random.randint(1, 200),
            )
            (zone,) = self._random.choices(list(ZONES), list(ZONES.values()))
            if zone and self._random.random() >= HEADER_SHARE:
                path, zone = f"{path}{'&' if '?' in path else '?'}tz={zone}", ""
            if (path, zone) not in seen:
                seen.add((path, zone))
                yield path, zone
