"""Reads of very many games from the table: their number is limited, and their results equal those of small reads."""

import random
from contextlib import ExitStack

import pytest

from analytics.database import game_reads, large_reads, window_columns
from analytics.database.large_reads import MAX_CONCURRENT_READS, large_read
from tests.analytics import games, recomputation
from tests.analytics.random_queries import comparable, differences, random_query, url
from tests.analytics.recomputation import World
from tests.analytics.worlds import NOW_MS, WORLDS, frozen

pytestmark = pytest.mark.django_db

__all__ = ["frozen"]

GAMES = 30
LARGE = [
    "occurrences/?min=2&all=true",
    "occurrences/?min=2&since=2009-01-03T00:00:00Z",
    "occurrences/?min=2&hours=1&compare=previous",
    "distribution/?hours=2160",
    "intervals/?min=2&interval=1440&since=2025-01-01T00:00:00Z",
    "series/?min=1000&games=1",
    "series/?min=1000&hours=0.02",
    "series/?min=2&all=true",
    "game-sets/?min=2&since=2009-01-03T00:00:00Z",
    "audit/",
    "audit/?since=2009-01-03T00:00:00Z",
]
SMALL = [
    "occurrences/?min=2&games=20",
    "occurrences/?min=2&since=2025-03-30T02:16:00Z",
    "distribution/?hours=0.02",
    "series/?min=2&games=5",
    "series/?min=2&hours=0.02",
    "game-sets/?min=2&games=20",
    "last-games/?min=1000",
    "audit/?hours=0.02",
]


@pytest.fixture
def low_limits(monkeypatch, frozen) -> None:
    """Let a read of more than twenty games be a large one, and shorten the wait for a slot."""
    monkeypatch.setattr(window_columns, "LARGE_READ_GAMES", 20)
    monkeypatch.setattr(game_reads, "BLOCK_GAMES", 64)
    monkeypatch.setattr(large_reads, "WAIT_SECONDS", 0.01)


@pytest.fixture
def all_slots_occupied():
    with ExitStack() as reads:
        for _ in range(MAX_CONCURRENT_READS):
            reads.enter_context(large_read())
        yield


@pytest.fixture
def recorded() -> None:
    """Record one game per 20 s up to a second ago, alternately of 1.00 and of 3.00."""
    newest = GAMES - 1
    games.put_all({1 + n: (100 + 200 * (n % 2), NOW_MS - 1_000 - 20_000 * (newest - n)) for n in range(GAMES)})


@pytest.mark.parametrize("path", LARGE)
@pytest.mark.usefixtures("low_limits", "recorded", "all_slots_occupied")
def test_a_large_read_without_a_free_slot_is_refused(client, path):
    response = client.get(f"/api/analytics/{path}")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.json() == {"detail": "Too many requests over all games are running. Try again in a few seconds."}


@pytest.mark.parametrize("path", SMALL)
@pytest.mark.usefixtures("low_limits", "recorded", "all_slots_occupied")
def test_a_small_read_needs_no_slot(client, path):
    response = client.get(f"/api/analytics/{path}")
    assert (response.status_code, response.json()["meta"]["source"]) == (200, "database")


@pytest.mark.parametrize("path", [*LARGE, *SMALL])
@pytest.mark.usefixtures("low_limits", "recorded")
def test_a_read_releases_its_slot(client, path):
    for _ in range(MAX_CONCURRENT_READS + 1):  # without a version no response is cached
        assert client.get(f"/api/analytics/{path}").status_code == 200
    with ExitStack() as reads:
        for _ in range(MAX_CONCURRENT_READS):
            reads.enter_context(large_read())


@pytest.mark.parametrize("endpoint", recomputation.ENDPOINTS)
@pytest.mark.parametrize("name", ["across ten million", "three games a chunk", "droughts", "untimed", "far apart"])
@pytest.mark.usefixtures("low_limits")
def test_a_read_in_blocks_gives_the_same_result(client, name, endpoint):
    world: World = WORLDS[name]()
    games.put_all(world.games)
    chance = random.Random(f"{name} {endpoint} in parts")
    for _ in range(3):
        parameters = random_query(endpoint, world, NOW_MS, chance)
        response = client.get(url(endpoint, parameters))
        status, right = recomputation.expected_response(endpoint, parameters, world, NOW_MS)
        body = comparable(response.json()) if response.status_code == 200 else response.json()
        assert (response.status_code, differences(body, right)) == (status, []), url(endpoint, parameters)
