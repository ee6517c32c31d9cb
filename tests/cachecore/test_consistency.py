"""Cached answers beside the truth: what agrees, what disagrees, and what may not be compared."""

import msgspec
import pytest
from django.db import connection

from analytics import services
from cachecore import connections, consistency, envelope, versions
from cachecore.clock import now_ms
from cachecore.consistency import Report
from cachecore.stored_answers import parse
from games.keys import GAMES, GAMES_LIST
from games.rounds import Round
from games.services import record_games

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/games/"


@pytest.fixture(autouse=True)
def _a_game():
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")


def change(crash_hundredths: int) -> None:
    """Past every signal: the cache cannot know."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE games_game SET crash_hundredths = %s", [crash_hundredths])


def rewrite(old: bytes, new: bytes) -> None:
    """In the body of the one kept answer."""
    with connections.use("cache") as client:
        (key,) = client.scan_iter(match="games:list:*")
        stored = parse(GAMES_LIST, client.get(key))
        body = stored.body.replace(old, new)
        assert body != stored.body
        payload = envelope.pack(GAMES_LIST, msgspec.structs.replace(stored, body=body))
        client.set(key, envelope.seal(GAMES_LIST, payload, envelope.Times(now_ms(), 20, 20), {}))


def test_what_the_cache_keeps_agrees(client):
    client.get(LIST)
    report = consistency.check(1, urls=[LIST])
    assert (report.agreed, report.skipped, report.disagreeing) == (1, 0, [])


def test_a_url_is_kept_first_where_it_was_not():
    assert consistency.check(3, urls=[LIST]).agreed == 3


def test_what_differs_is_named_and_mended(client):
    client.get(LIST)
    change(300)
    assert consistency.check(1, urls=[LIST]).disagreeing == [LIST]
    assert client.get(LIST).json()["results"][0]["crash_point"] == 3.0
    assert consistency.check(1, urls=[LIST]).agreed == 1


def test_a_field_that_says_when_is_no_difference(client, monkeypatch):
    client.get(LIST)
    rewrite(b'"crash_point":2.0', b'"crash_point":9.0')
    monkeypatch.setattr(consistency, "ignored", {"crash_point"})
    assert consistency.check(1, urls=[LIST]).agreed == 1


def test_another_window_is_not_compared(client, monkeypatch):
    client.get(LIST)
    rewrite(b'"crash_point":2.0', b'"crash_point":9.0')
    monkeypatch.setattr(consistency, "moving", {"crash_point"})
    report = consistency.check(1, urls=[LIST])
    assert (report.agreed, report.skipped, report.disagreeing) == (1, 1, [])  # the second try finds the mended one


def test_an_answer_of_another_version_is_not_compared(client, monkeypatch):
    client.get(LIST)
    forget = consistency._forget

    def overtaken(url: str, version: int) -> bool:
        if versions.current(GAMES) == first:
            change(300)
            versions.raise_version(GAMES)  # a game is recorded between the two answers
        return forget(url, version)

    first = versions.current(GAMES)
    monkeypatch.setattr(consistency, "_forget", overtaken)
    report = consistency.check(1, urls=[LIST])
    assert (report.agreed, report.skipped, report.disagreeing) == (1, 1, [])


def test_nothing_kept_is_nothing_compared(valkey):
    valkey.stop()
    report = consistency.check(2, urls=[LIST])
    assert (report.compared, report.nines) == (0, 0.0)
    assert report.skipped == 7


def test_the_standard_answers_agree_as_they_are_served():
    services.apply_pending()
    report = consistency.check(30)
    assert (report.disagreeing, report.agreed) == ([], 30)


@pytest.mark.parametrize(
    ("agreed", "disagreeing", "nines"),
    [(999, 1, 3.0), (99, 1, 2.0), (3000, 0, 3.0), (2, 0, 0.0), (0, 5, 0.0), (0, 0, 0.0)],
)
def test_nines(agreed, disagreeing, nines):
    assert Report(agreed, 0, ["/x/"] * disagreeing).nines == pytest.approx(nines)
