"""Cached responses compared with recomputed ones: which agree, which disagree, and which cannot be compared."""

import msgspec
import pytest
from django.db import connection

from analytics import services
from analytics.endpoints import occurrences
from cachecore import versions
from cachecore.clock import as_of, now_ms
from cachecore.keys import Family, Key
from cachecore.maintenance import consistency, warming
from cachecore.maintenance.consistency import Report
from cachecore.maintenance.internal_requests import call_view
from cachecore.redis_client import connections
from cachecore.responses import caching
from cachecore.responses.stored_response import parse
from cachecore.storage import clear_times, envelope
from games.keys import GAMES, GAMES_LIST
from games.rounds import Round
from games.services import record_games
from games.times import from_unix_ms

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/games/"


@pytest.fixture(autouse=True)
def _a_game():
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")


def change(crash_hundredths: int) -> None:
    """Change the row without sending a signal, so that the cache is not invalidated."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE games_game SET crash_hundredths = %s", [crash_hundredths])


def rewrite(old: bytes, new: bytes) -> None:
    """Replace text in the body of the only stored response."""
    store(GAMES_LIST, lambda body: body.replace(old, new))


def store(family: Family, changed) -> None:
    """Store `changed(body)` in place of the body of the family's only stored response."""
    with connections.guarded_client("cache") as client:
        (name,) = client.scan_iter(match=f"{family.prefix}*")
        key = Key(name.decode(), family)
        stored = parse(key, client.get(key))
        body = changed(stored.body)
        assert body != stored.body
        payload = envelope.pack(family, msgspec.structs.replace(stored, body=body))
        client.set(key, envelope.seal(key, payload, envelope.Times(now_ms(), 20, 20), {}))


def test_a_correct_response_agrees(client):
    client.get(LIST)
    report = consistency.check(1, urls=[LIST])
    assert (report.agreed, report.skipped, report.disagreeing) == (1, 0, [])


def test_a_response_that_is_not_stored_is_stored_first():
    assert consistency.check(3, urls=[LIST]).agreed == 3


def test_an_error_response_is_skipped():
    report = consistency.check(1, urls=["/api/games/?per_page=0"])
    assert (report.compared, report.disagreeing) == (0, [])
    assert report.skipped > 0


def test_a_difference_is_reported_and_corrected(client):
    client.get(LIST)
    change(300)
    assert consistency.check(1, urls=[LIST]).disagreeing == [LIST]
    with connections.guarded_client("state") as redis:  # every process's ASGI middleware reads it
        assert now_ms() - int(redis.hget(clear_times.CLEARED.key(), GAMES_LIST.name)) < 5_000
    assert client.get(LIST).json()["results"][0]["crash_point"] == 3.0
    assert consistency.check(1, urls=[LIST]).agreed == 1


def test_timestamps_are_not_compared(client, monkeypatch):
    record_games([Round(game_id=2, crash_hundredths=200, end_time=from_unix_ms(1_790_000_000_000))], source="test")
    monkeypatch.setattr(consistency, "timestamp_fields", {"end_time"})
    client.get(LIST)
    rewrite(b"2026-09-21T14:13:20", b"2026-09-21T14:13:19")
    assert consistency.check(1, urls=[LIST]).agreed == 1


def test_responses_from_different_sources_are_not_compared(client, monkeypatch):
    client.get(LIST)
    rewrite(b'"crash_point":2.0', b'"crash_point":9.0')
    monkeypatch.setattr(consistency, "coverage_fields", {"crash_point"})
    report = consistency.check(1, urls=[LIST])
    assert (report.agreed, report.skipped, report.disagreeing) == (0, 4, [])


def test_responses_of_different_versions_are_not_compared(client, monkeypatch):
    client.get(LIST)
    call, first = consistency._call, versions.current(GAMES)

    def call_during_a_raise(url, environ=None):
        if environ and versions.current(GAMES) == first:
            change(300)
            versions.raise_version(GAMES)  # a game is recorded between the two calls
        return call(url, environ)

    monkeypatch.setattr(consistency, "_call", call_during_a_raise)
    report = consistency.check(1, urls=[LIST])
    assert (report.agreed, report.skipped, report.disagreeing) == (1, 1, [])


def test_the_recomputed_response_is_not_stored(client):
    client.get(LIST)
    with connections.guarded_client("cache") as redis:
        before = {key: redis.get(key) for key in redis.keys("games:list:*")}
        consistency.check(1, urls=[LIST])
        assert {key: redis.get(key) for key in redis.keys("games:list:*")} == before


# The last hours --------------------------------------------------------------------------------------------------

HOUR = "/api/analytics/occurrences/?min=2&hours=1"
MINUTE_MS = 60_000


@pytest.fixture
def hour_ago(client):
    """Store a response about the last hour as of half an hour ago, which contained one game; its time in unix ms."""
    now = now_ms()
    record_games([Round(game_id=2, crash_hundredths=200, end_time=from_unix_ms(now - 80 * MINUTE_MS))], source="test")
    services.apply_pending()
    then = now - 30 * MINUTE_MS
    client.get(HOUR)
    with as_of(then):
        body = call_view(HOUR, environ={caching.BYPASS_META_KEY: True}).content
    store(occurrences.FAMILY, lambda _: body)
    return then


def counts(body: bytes) -> list[int]:
    return [result["count"] for result in msgspec.json.decode(body)["results"]]


def test_a_response_about_the_last_hours_is_compared_as_of_its_time(client, hour_ago):
    """The game has left the window by now; it was in the stored response's window."""
    assert counts(client.get(HOUR).content) == [1]
    assert counts(call_view(HOUR, environ={caching.BYPASS_META_KEY: True}).content) == [0]
    report = consistency.check(1, urls=[HOUR])
    assert (report.agreed, report.skipped, report.disagreeing) == (1, 0, [])


def test_a_wrong_response_about_the_last_hours_is_found_and_corrected(client, hour_ago):
    store(occurrences.FAMILY, lambda body: body.replace(b'"count":1', b'"count":2'))
    report = consistency.check(1, urls=[HOUR])
    assert (report.agreed, report.skipped, report.disagreeing) == (0, 0, [HOUR])
    assert counts(client.get(HOUR).content) == [0]


def test_every_standard_response_can_be_compared():
    services.apply_pending()
    urls = list(warming.urls())
    report = consistency.check(len(urls), urls=urls)
    assert (report.agreed, report.skipped, report.disagreeing) == (len(urls), 0, [])


def test_without_redis_nothing_is_compared(valkey):
    valkey.stop()
    report = consistency.check(2, urls=[LIST])
    assert (report.compared, report.nines) == (0, 0.0)
    assert report.skipped == 7


def test_the_standard_responses_agree():
    services.apply_pending()
    report = consistency.check(30)
    assert (report.disagreeing, report.agreed) == ([], 30)


@pytest.mark.parametrize(
    ("agreed", "disagreeing", "nines"),
    [(999, 1, 3.0), (99, 1, 2.0), (3000, 0, 3.0), (2, 0, 0.0), (0, 5, 0.0), (0, 0, 0.0)],
)
def test_nines(agreed, disagreeing, nines):
    assert Report(agreed, 0, ["/x/"] * disagreeing).nines == pytest.approx(nines)
