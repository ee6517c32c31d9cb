"""The pages under the rate limits: only what is computed counts, cached pages are served to all clients."""

import pytest

from analytics import services
from cachecore.maintenance import warming
from cachecore.redis_client import connections
from games.services import record_games
from tests import chains
from tests.web.html import page

pytestmark = pytest.mark.django_db(transaction=True)

GAME = chains.bcgame_rounds(1)[0]
VERIFY = f"/verify/?game_id={GAME.game_id}&hash={GAME.hash}"
LIMITED = [
    ("/?min={}", "analytics"),
    ("/panels/?min={}", "analytics"),
    ("/panels/strip.csv?min={}", "analytics"),
    ("/games/?per_page={}", "games"),
    (f"{VERIFY}&crash_point={{}}", "games"),
]


@pytest.fixture
def limited(settings):
    """Limit clients to two requests a minute, and record games, so that responses have a version to be cached under."""
    record_games(chains.bcgame_rounds(5), source="test")
    services.apply_pending()
    settings.ENABLE_REDIS_RATE_LIMITING = True
    settings.RATE_LIMITS = dict.fromkeys(("analytics", "games"), "2/minute")
    return settings


def counted(scope: str) -> int:
    with connections.guarded_client("state") as state:
        return int(state.get(f"rate:{{{scope}:ip:127.0.0.1}}:2/60s:current") or 0)


@pytest.mark.parametrize(("url", "scope"), LIMITED)
def test_above_the_limit_nothing_is_computed_and_the_response_says_when_to_retry(client, limited, url, scope):
    first, second, third = [client.get(url.format(value)) for value in (3, 4, 5)]
    assert [response.status_code for response in (first, second, third)] == [200, 200, 429]
    assert [response["RateLimit-Remaining"] for response in (first, second, third)] == ["1", "0", "0"]
    assert third["Retry-After"] == third["RateLimit-Reset"] == "60"
    assert "no-store" in third["Cache-Control"]
    assert counted(scope) == 2
    if url.startswith("/panels/?"):
        assert third.json() == {"detail": "Request was throttled. Expected available in 60 seconds."}
    else:
        assert "Too many requests from your address" in page(third).text
        assert "Try again in 60 seconds." in page(third).text


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        ("/?min=3", "analytics"),
        ("/panels/?min=3", "analytics"),
        ("/games/", "games"),
        (f"/games/{GAME.game_id}/", "games"),
    ],
)
def test_a_cached_page_is_served_to_all_clients_and_counts_once(client, limited, url, scope):
    responses = [client.get(url) for _ in range(4)]
    assert {response.status_code for response in responses} == {200}
    assert ["RateLimit-Limit" in response for response in responses] == [True, False, False, False]
    assert counted(scope) == 1


def test_above_the_limit_a_cached_page_is_still_served(client, limited):
    for value in (3, 4, 5):
        client.get(f"/panels/?min={value}")
    assert client.get("/?min=3").status_code == 200
    assert client.get("/?min=5").status_code == 429


def test_an_invalid_form_is_not_counted(client, limited):
    for url in ("/?min=x", "/panels/?min=x", "/games/?min=x", "/verify/?hash=x"):
        response = client.get(url)
        assert (response.status_code, "RateLimit-Limit" in response) == (400, False)
    assert (counted("analytics"), counted("games")) == (0, 0)


def test_a_logged_in_user_gets_the_same_page_as_everybody(admin_client, limited):
    response = admin_client.get("/games/")
    assert counted("games") == 1
    assert "Cookie" not in response.get("Vary", "")


def test_warming_the_panels_is_not_counted(limited):
    report = warming.Report()
    for value in (3, 4, 5):
        warming.warm_url(f"/panels/?min={value}", report)
    assert (len(report.warmed), report.failed, counted("analytics")) == (3, [], 0)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_while_redis_is_unavailable_pages_are_not_limited(client, limited, valkey, fault):
    getattr(valkey, fault)()
    assert [client.get(VERIFY).status_code for _ in range(3)] == [200] * 3


def test_a_scope_that_fails_closed_gives_a_503_with_the_reason(client, limited, valkey):
    limited.RATE_LIMIT_FAIL_CLOSED = {"games", "analytics"}
    valkey.stop()
    refused, panels = client.get("/games/"), client.get("/panels/")
    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert "The rate limit cannot be checked now" in page(refused).text
    assert (panels.status_code, panels.json()) == (503, {"detail": "The rate limit cannot be checked now."})
