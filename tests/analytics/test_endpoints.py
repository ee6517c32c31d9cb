"""Random queries on odd histories: live view, database and plain recomputation give the same results."""

import random

import pytest

from cachecore.redis_client import connections
from tests.analytics import recomputation
from tests.analytics.random_queries import comparable, differences, random_query, url
from tests.analytics.recomputation import ENDPOINTS, World, at
from tests.analytics.worlds import NOW_MS, WORLDS, built, frozen

pytestmark = pytest.mark.django_db

__all__ = ["frozen"]

PARTS = 2
QUERIES = 3  # per endpoint, part and world
PARTLY_LIVE = {"dropped chunks", "dropped droughts"}  # worlds of which the ledger keeps a part


def test_there_are_five_hundred_queries():
    assert len(WORLDS) * PARTS * QUERIES * len(ENDPOINTS) >= 500


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.usefixtures("frozen")
def test_view_table_and_recomputation_agree(client, settings, name, part):
    world = built(name, settings)
    rng = random.Random(f"{name} {part}")
    queries = [(endpoint, random_query(endpoint, world, NOW_MS, rng)) for endpoint in ENDPOINTS for _ in range(QUERIES)]
    live = [client.get(url(*one)) for one in queries]
    with connections.guarded_client("state") as redis:
        redis.flushall()
    table = [client.get(url(*one)) for one in queries]
    for one, of_view, of_table in zip(queries, live, table, strict=True):
        assert_right(of_view, one, world)
        assert_right(of_table, one, world)
    sources = {response.json()["meta"]["source"] for response in live if response.status_code == 200}
    assert sources == ({"live", "database"} if name in PARTLY_LIVE else {"live"})
    assert {r.json()["meta"]["source"] for r in table if r.status_code == 200} == {"database"}


def assert_right(response, query, world) -> None:
    status, right = recomputation.expected_response(*query, world, NOW_MS)
    body = comparable(response.json()) if response.status_code == 200 else response.json()
    assert (response.status_code, differences(body, right)) == (status, []), url(*query)


@pytest.mark.parametrize(("minutes", "rows"), [(9_999, 10_000), (10_000, 10_001)])
@pytest.mark.usefixtures("frozen")
def test_a_range_that_begins_within_a_minute_has_one_interval_more(client, minutes, rows):
    since = NOW_MS // 60_000 * 60_000 - 20_000 * 60_000 + 30_000
    params = {"min": "2", "interval": "1", "since": at(since, "UTC"), "until": at(since + minutes * 60_000, "UTC")}
    response = client.get(url("intervals", params))
    if rows > recomputation.MAX_ROWS:
        assert response.json()["errors"] == {"interval": [f"Would give {rows} rows; at most 10000 are allowed."]}
    else:
        assert len(response.json()["results"][0]["intervals"]) == rows
    assert_right(response, ("intervals", params), World({}))
