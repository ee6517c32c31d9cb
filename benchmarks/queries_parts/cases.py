"""The measured queries, and the times of a peer: p50 / p99 ms at 100,000 games, measured on another machine."""

from dataclasses import dataclass

PEER_GAMES = 100_000
TARGET_MS = 3.0


@dataclass(frozen=True, slots=True)
class QueryCase:
    """An endpoint with its parameters. An empty `peer` means unknown. `has_target` is True if TARGET_MS applies."""

    name: str
    path: str
    peer: str = ""
    has_target: bool = False

    @property
    def url(self) -> str:
        return f"/api/analytics/{self.path}"


CASES = (
    QueryCase("occurrences, 100 games", "occurrences/?min=10", "9.6 / 89.1", has_target=True),
    QueryCase("occurrences, all", "occurrences/?min=10&all=true", has_target=True),
    QueryCase("occurrences, all, 12 conditions", "occurrences/?min=1.5,2,3,4,5,7,10,20,50,100,500,1000&all=true"),
    QueryCase("occurrences, since 2009", "occurrences/?min=10&since=2009-01-03T00:00:00Z"),
    QueryCase("intervals, 24 h", "intervals/?min=10", "1,290 / 1,360", has_target=True),
    QueryCase("game sets, 1,000", "game-sets/?min=10", "48.4 / 159"),
    QueryCase("series, 1,000", "series/?min=10", "26.3 / 128.1", has_target=True),
    QueryCase("series, 24 h", "series/?min=10&hours=24"),
    QueryCase("last game, 10x", "last-games/?min=10", "2.1 / 6.2"),
    QueryCase("last game, 1000x", "last-games/?min=1000"),
    QueryCase("distribution, 10,000", "distribution/"),
    QueryCase("volatility, 1,000", "volatility/"),
    QueryCase("audit, all", "audit/"),
)
