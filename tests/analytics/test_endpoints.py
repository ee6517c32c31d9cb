"""Every endpoint, random questions, odd histories: live view, table and plain recomputation say the same."""

import random

import pytest

from cachecore.redis_client import connections
from tests.analytics import recomputation
from tests.analytics.asking import comparable, differences, question, url
from tests.analytics.recomputation import ENDPOINTS, World, at
from tests.analytics.worlds import NOW_MS, WORLDS, built, frozen

pytestmark = pytest.mark.django_db

__all__ = ["frozen"]

PARTS = 2
QUESTIONS = 3  # per endpoint, part and world
PARTLY_LIVE = {"dropped chunks", "dropped droughts"}  # worlds of which the ledger keeps a part


def test_there_are_five_hundred_questions():
    assert len(WORLDS) * PARTS * QUESTIONS * len(ENDPOINTS) >= 500


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.usefixtures("frozen")
def test_view_table_and_recomputation_agree(client, settings, name, part):
    world = built(name, settings)
    chance = random.Random(f"{name} {part}")
    asked = [(endpoint, question(endpoint, world, NOW_MS, chance)) for endpoint in ENDPOINTS for _ in range(QUESTIONS)]
    live = [client.get(url(*one)) for one in asked]
    with connections.guarded_client("state") as redis:
        redis.flushall()
    table = [client.get(url(*one)) for one in asked]
    for one, of_view, of_table in zip(asked, live, table, strict=True):
        assert_right(of_view, one, world)
        assert_right(of_table, one, world)
    answered = {response.json()["meta"]["source"] for response in live if response.status_code == 200}
    assert answered == ({"live", "database"} if name in PARTLY_LIVE else {"live"})
    assert {r.json()["meta"]["source"] for r in table if r.status_code == 200} == {"database"}


def assert_right(response, asked, world) -> None:
    status, right = recomputation.answer(*asked, world, NOW_MS)
    body = comparable(response.json()) if response.status_code == 200 else response.json()
    assert (response.status_code, differences(body, right)) == (status, []), url(*asked)


@pytest.mark.parametrize(("minutes", "rows"), [(9_999, 10_000), (10_000, 10_001)])
@pytest.mark.usefixtures("frozen")
def test_a_range_between_the_minutes_touches_one_interval_more(client, minutes, rows):
    since = NOW_MS // 60_000 * 60_000 - 20_000 * 60_000 + 30_000
    asked = {"min": "2", "interval": "1", "since": at(since, "UTC"), "until": at(since + minutes * 60_000, "UTC")}
    response = client.get(url("intervals", asked))
    if rows > recomputation.MAX_ROWS:
        assert response.json()["errors"] == {"interval": [f"Gives {rows} rows; at most 10000 are answered."]}
    else:
        assert len(response.json()["results"][0]["intervals"]) == rows
    assert_right(response, ("intervals", asked), World({}))
