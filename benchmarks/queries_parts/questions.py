"""What is asked, and what the peer takes for it (PEER: p50 / p99 ms at 100,000 games, measured elsewhere)."""

from dataclasses import dataclass

PEER_GAMES = 100_000
AIM_MS = 3.0


@dataclass(frozen=True, slots=True)
class Question:
    """An endpoint with its parameters. `peer`: nobody's figure is known where it is empty. `aimed`: held to AIM_MS."""

    name: str
    path: str
    peer: str = ""
    aimed: bool = False

    @property
    def url(self) -> str:
        return f"/api/analytics/{self.path}"


QUESTIONS = (
    Question("occurrences, 100 games", "occurrences/?min=10", "9.6 / 89.1", aimed=True),
    Question("occurrences, all", "occurrences/?min=10&all=true", aimed=True),
    Question("occurrences, all, 12 conditions", "occurrences/?min=1.5,2,3,4,5,7,10,20,50,100,500,1000&all=true"),
    Question("occurrences, since 2009", "occurrences/?min=10&since=2009-01-03T00:00:00Z"),
    Question("intervals, 24 h", "intervals/?min=10", "1,290 / 1,360", aimed=True),
    Question("game sets, 1,000", "game-sets/?min=10", "48.4 / 159"),
    Question("series, 1,000", "series/?min=10", "26.3 / 128.1", aimed=True),
    Question("series, 24 h", "series/?min=10&hours=24"),
    Question("last game, 10x", "last-games/?min=10", "2.1 / 6.2"),
    Question("last game, 1000x", "last-games/?min=1000"),
    Question("distribution, 10,000", "distribution/"),
    Question("volatility, 1,000", "volatility/"),
    Question("audit, all", "audit/"),
)
