"""Response caching switched off and on at run time: inside Django and in the ASGI middleware."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse

from cachecore import versions
from cachecore.redis_client import connections
from cachecore.responses import switches
from games.keys import GAMES, GAMES_LIST

pytestmark = pytest.mark.django_db

LIST = "/api/games/"


@pytest.fixture(autouse=True)
def _none_off():
    versions.raise_version(GAMES)
    switches.set_switched_off(set())
    yield
    switches.set_switched_off(set())


def outcomes(client, times: int = 2) -> list[str]:
    return [client.get(LIST).headers["X-Cache"] for _ in range(times)]


def test_off_and_on_again(client):
    assert outcomes(client) == ["MISS", "HIT"]
    switches.switch(GAMES_LIST, on=False)
    assert outcomes(client) == ["BYPASS", "BYPASS"]
    switches.switch(GAMES_LIST, on=True)
    assert outcomes(client) == ["HIT", "HIT"]


def test_another_process_follows_within_a_second(client, monkeypatch):
    with connections.guarded_client("state") as redis:  # as another process would
        redis.sadd(switches.SWITCHED_OFF.key(), GAMES_LIST.name)
    assert outcomes(client) == ["MISS", "HIT"]  # the set read less than a second ago
    monkeypatch.setattr(switches._off, "_read_at", float("-inf"))
    assert outcomes(client) == ["BYPASS", "BYPASS"]


def test_a_family_switched_off_by_settings_cannot_be_switched_on(client, settings):
    settings.CACHE_RESPONSES_OFF = [GAMES_LIST.name]
    switches.switch(GAMES_LIST, on=True)
    assert outcomes(client) == ["BYPASS", "BYPASS"]


def test_without_redis_the_last_set_read_stays_in_force(valkey, monkeypatch):
    switches.switch(GAMES_LIST, on=False)
    valkey.stop()
    monkeypatch.setattr(switches._off, "_read_at", float("-inf"))
    assert switches.is_off(GAMES_LIST)


def test_an_operator_switches_it_in_admin(client):
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    url = reverse("admin:cachecore_cache_ask", args=["off", GAMES_LIST.name])
    assert "Switch games-list off?" in client.get(url).content.decode()
    assert not switches.is_off(GAMES_LIST)
    client.post(url)
    assert switches.is_off(GAMES_LIST)
    assert LogEntry.objects.get().change_message == "Switched the caching of games-list off."
    assert client.get(reverse("admin:cachecore_cache_ask", args=["off", "lock"])).status_code == 404
