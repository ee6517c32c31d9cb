"""The monitoring API: for operators only, on names only, and never on keys of the state role."""

import re
from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from cachecore import locks, versions
from cachecore.keys import Family, registry
from cachecore.redis_client import connections
from cachecore.service import cache
from cachecore.stats import stats
from games.keys import GAMES, GAMES_LIST, GAMES_SINGLE
from games.rounds import Round
from games.services import record_games
from tests.factories.tokens import authorization
from tests.openapi import generated_schema, strict
from tests.routes import paths_under

pytestmark = pytest.mark.django_db

BASE = "/api/admin/monitoring/cache"
CALLS = [("get", "stats/"), ("get", "stats"), ("delete", "clear/"), ("delete", "clear")]
CALLS += [("delete", "invalidate/games/"), ("delete", "invalidate/games")]
TAGGED = Family(
    name="test-monitoring",
    pattern="test:monitoring:{id}",
    role="cache",
    type="string",
    ttl_seconds=60,
    holds="a value of these tests",
    written_by="tests",
    purged_by="its TTL",
)
HOSTILE = [
    *("nothing", "%20", "%0A", "games%0A", "%00", "*", "games*", "%7Bgames%7D", "version:games", "a/b/c", "../games"),
    *("tag:%2A", "%F0%9F%92%A5", "%E2%80%AE", "%ED%A0%80", "x" * 10_000, "%27%3B--", "%3Cscript%3E", "GAMES", "%25s"),
    *("%0D%0AX-A:%201", "__class__", "%7B%7D", "%7B0.key%7D", "games,analytics", "?", "%5B", "%5C", "games%20", "-1"),
]


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


@pytest.fixture
def staff() -> User:
    user = User.objects.create(username="operator", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_cache", "change_cache"]))
    return user


@pytest.fixture
def api(staff) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=authorization(staff, "monitoring"))
    return client


def fill() -> None:
    with connections.guarded_client("cache") as client:
        client.set(GAMES_LIST.key(parameters="page:1", version=1), "a")
        client.set(GAMES_LIST.key(parameters="page:2", version=1), "b")
        client.set(GAMES_SINGLE.key(parameters="id:1", version=1), "c")


def keys() -> set[str]:
    with connections.guarded_client("state") as client:
        return {key.decode() for key in client.scan_iter()}


def client_of(*permissions: str, staff: bool, by: str = "token") -> APIClient:
    """Return a client with the credentials of a user with these permissions: a token, or a session."""
    user = User.objects.create(username="someone", is_staff=staff)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = APIClient()
    if by == "token":
        client.credentials(HTTP_AUTHORIZATION=authorization(user, "monitoring"))
    else:
        client.force_login(user)
    return client


# Permissions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_anonymous_requests_get_a_401_and_change_nothing(client, method, path):
    fill()
    before = keys()
    response = getattr(client, method)(f"{BASE}/{path}")
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Token")
    assert response.json() == {"detail": "Authentication credentials were not provided."}
    assert keys() == before


@pytest.mark.parametrize("method", ["get", "post", "delete", "put", "patch"])
def test_anonymous_requests_are_refused_at_every_url_by_every_method(client, method):
    paths = paths_under("/api/admin/", {"tag": "games"})
    assert len(paths) >= 3
    for path in paths:
        assert getattr(client, method)(path).status_code in (401, 403), path


@pytest.mark.parametrize("by", ["token", "session"])
@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    ("permissions", "staff"),
    [((), False), (("view_cache", "change_cache"), False), ((), True)],
    ids=["a plain user", "a plain user with the permission", "staff without it"],
)
def test_users_who_are_no_operators_get_a_403_and_change_nothing(method, path, permissions, staff, by):
    fill()
    before = keys()
    response = getattr(client_of(*permissions, staff=staff, by=by), method)(f"{BASE}/{path}")
    assert response.status_code == 403
    assert set(response.json()) == {"detail"}
    assert keys() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("by", ["token", "session"])
def test_the_view_permission_allows_the_statistics_and_no_change(by):
    fill()
    before = keys()
    client = client_of("view_cache", staff=True, by=by)
    assert client.get(f"{BASE}/stats/").status_code == 200
    assert [client.delete(f"{BASE}/{path}").status_code for path in ("clear/", "invalidate/games/")] == [403, 403]
    assert keys() - {"{stats}:totals"} == before
    assert not LogEntry.objects.exists()


# Statistics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["stats/", "stats"])
def test_the_numbers(api, path):
    stats.count("games-list", "hit", 6)
    stats.count("games-list", "local_hit", 1)
    stats.count("games-single", "stale", 1)
    stats.count("games-single", "miss", 2)
    stats.count("games-single", "error", 3)
    response = api.get(f"{BASE}/{path}")
    assert response.status_code == 200
    body = response.json()
    totals, families = body["stats"], {family["family"]: family for family in body["stats"]["families"]}
    names = ("hits", "misses", "hitRate", "stale", "errors", "evictedKeys")
    assert [totals[name] for name in names] == [7, 2, 0.8, 1, 3, 0]
    assert totals["memoryUsed"] > 0
    assert totals["keyCount"] == len(keys())
    assert {name: family["hit_rate"] for name, family in families.items()} == {"games-list": 1.0, "games-single": 1 / 3}
    assert body["status"] == "ok"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert response.headers["Cache-Control"] == "no-store"


def test_without_reads_there_is_no_hit_rate(api):
    totals = api.get(f"{BASE}/stats/").json()["stats"]
    assert (totals["hits"], totals["hitRate"], totals["families"]) == (0, None, [])


@pytest.mark.django_db(transaction=True)
def test_the_hit_rate_of_requests(api, client):
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    for _ in range(10):
        client.get("/api/games/")
    body = api.get(f"{BASE}/stats/").json()
    assert (body["status"], body["stats"]["hits"], body["stats"]["misses"]) == ("ok", 9, 1)
    assert body["stats"]["hitRate"] == 0.9


def test_responses_match_the_schema(api, tmp_path):
    schema = generated_schema(tmp_path)
    stats.count("games-list", "hit")
    versions.raise_version(GAMES)
    for method, path in (("get", "stats/"), ("delete", "clear/"), ("delete", "invalidate/{tag}/")):
        operation = schema["paths"][f"{BASE}/{path}"][method]
        declared = operation["responses"]["200"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator(strict({**declared, "components": schema["components"]}))
        body = getattr(api, method)(f"{BASE}/{path.format(tag='games')}").json()
        assert [error.message for error in validator.iter_errors(body)] == []


def test_without_redis_the_statistics_are_a_200_that_says_so(api, valkey):
    valkey.stop()
    response = api.get(f"{BASE}/stats/")
    assert (response.status_code, response.json()["status"]) == (200, "unavailable")
    assert response.json()["stats"]["memoryUsed"] is None


# Operations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["clear/", "clear", "invalidate/games/"])
def test_without_redis_an_operation_is_a_503(api, valkey, path):
    valkey.stop()
    response = api.delete(f"{BASE}/{path}")
    assert (response.status_code, response.json()) == (503, {"detail": "Redis is unavailable. Try again later."})
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("path", ["clear", "clear/"])
def test_clearing_everything_leaves_the_state_role(api, staff, path, caplog):
    fill()
    versions.raise_version(GAMES)
    with locks.lock("a-job", 10):
        state = keys() - {"games:list:page:1:1", "games:list:page:2:1", "games:single:id:1:1"}
        response = api.delete(f"{BASE}/{path}")
        assert (response.status_code, response.json()) == (200, {"cleared": 3})
        assert keys() - {"responses:cleared"} == state == {"version:games", "lock:a-job"}  # read by the ASGI middleware
    (entry,) = LogEntry.objects.all()
    assert (entry.user, entry.object_repr, entry.change_message) == (staff, "all", "Cleared 3 keys of every family.")
    assert "'operator': Cleared 3 keys of every family." in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["clear/?family=games-list", "clear/", "invalidate/games/"])
def test_an_operation_makes_the_next_request_a_miss(client, path):
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    assert [client.get("/api/games/").headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]
    assert client_of("change_cache", staff=True).delete(f"{BASE}/{path}").status_code == 200
    assert client.get("/api/games/").headers["X-Cache"] == "MISS"


def test_clearing_a_family_leaves_other_families(api):
    fill()
    assert api.delete(f"{BASE}/clear/?family=games-list").json() == {"cleared": 2}
    assert keys() == {"games:single:id:1:1", "responses:cleared"}


@pytest.mark.parametrize("name", ["nothing", "", "games-list*", "analytics-ledger", "lock", "stats-totals"])
def test_a_family_outside_the_cache_role_is_a_404_that_names_it(api, name):
    """Families of the state role cannot be computed again, so they cannot be cleared."""
    fill()
    response = api.delete(f"{BASE}/clear/?family={name}")
    assert (response.status_code, response.json()) == (404, {"detail": f'There is no cached family "{name}".'})
    assert len(keys()) == 3
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("path", ["invalidate/games/", "invalidate/games"])
def test_invalidating_a_tag_raises_its_version(api, staff, path):
    before = versions.raise_version(GAMES)
    response = api.delete(f"{BASE}/{path}")
    version = versions.current(GAMES)
    assert (response.status_code, response.json()) == (200, {"tag": "games", "version": version})
    assert version > before
    assert [(entry.user, entry.object_repr) for entry in LogEntry.objects.all()] == [(staff, "games")]


@pytest.mark.parametrize("tag", ["user:7", "a b", "*", "line\nbreak", "x" * 1000])
def test_invalidating_a_tag_of_the_cache_service(api, tag):
    key, other = TAGGED.key(id=1), TAGGED.key(id=2)
    cache.set(key, "a", tags=[tag])
    cache.set(other, "b", tags=["another"])
    response = api.delete(f"{BASE}/invalidate/{quote(tag)}/")
    assert response.status_code == 200
    assert response.json()["tag"] == tag
    assert (cache.get(key), cache.get(other)) == (None, "b")
    assert LogEntry.objects.count() == 1


def test_clearing_a_family_of_the_cache_cannot_reach_a_key_of_the_state_role():
    """Both roles may share a server, so no prefix of the one may begin a key of the other."""
    roles = {role: [family for family in registry.values() if family.role == role] for role in ("cache", "state")}
    for family in roles["cache"]:
        assert family.prefix
        assert [state.name for state in roles["state"] if state.prefix.startswith(family.prefix)] == []


@pytest.mark.parametrize("tag", HOSTILE)
def test_any_other_tag_is_a_404_and_nothing_is_written(api, tag):
    fill()
    before = keys()
    response = api.delete(f"{BASE}/invalidate/{tag}/")
    assert response.status_code == 404
    assert set(response.json()) == {"detail"}
    assert len(response.content) < 1000
    assert keys() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_any_other_family_is_a_404_and_nothing_is_written(api, name):
    fill()
    before = keys()
    response = api.delete(f"{BASE}/clear/?family={name}")
    assert response.status_code == 404
    assert set(response.json()) == {"detail"}
    assert len(response.content) < 1000
    assert keys() == before
    assert not LogEntry.objects.exists()


def test_an_unknown_tag_is_named(api):
    assert api.delete(f"{BASE}/invalidate/goals/").json() == {"detail": 'There is no tag "goals".'}


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_an_unknown_parameter_is_a_400_that_names_it(api, method, path):
    response = getattr(api, method)(f"{BASE}/{path}?colour=red")
    assert response.status_code == 400
    assert response.json() == {"detail": "Invalid input.", "errors": {"colour": ["Unknown parameter."]}}


def test_a_repeated_parameter_is_a_400(api):
    response = api.delete(f"{BASE}/clear/?family=games-list&family=games-single")
    assert response.json()["errors"] == {"family": ["Given more than once."]}


@pytest.mark.parametrize(("method", "path"), [("post", "stats/"), ("get", "clear/"), ("get", "invalidate/games/")])
def test_other_methods_are_405(api, method, path):
    assert getattr(api, method)(f"{BASE}/{path}").status_code == 405


# Permissions, with a response of the API in the cache


STATS, CLEAR, INVALIDATE = (f"{BASE}/{path}/" for path in ("stats", "clear", "invalidate/games"))
ACTIONS = [("get", STATS), ("delete", CLEAR), ("delete", INVALIDATE)]


def api_of(*permissions, staff) -> APIClient:
    user = User.objects.create(username="someone", is_staff=staff)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=authorization(user, "monitoring"))
    return client


def outcome(client):
    return client.get("/api/games/").headers["X-Cache"]


@pytest.fixture
def cached_response(client):
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    assert [outcome(client) for _ in range(2)] == ["MISS", "HIT"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "url"), ACTIONS)
def test_an_anonymous_caller_leaves_the_response_cached(client, cached_response, method, url):
    assert getattr(client, method)(url).status_code == 401
    assert outcome(client) == "HIT"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "url"), ACTIONS)
@pytest.mark.parametrize(
    ("permissions", "staff"),
    [((), False), (("view_cache", "change_cache"), False), ((), True)],
    ids=["a plain user", "a plain user with the permission", "staff without it"],
)
def test_only_staff_with_the_permission_is_allowed(client, cached_response, method, url, permissions, staff):
    assert getattr(api_of(*permissions, staff=staff), method)(url).status_code == 403
    assert outcome(client) == "HIT"


@pytest.mark.django_db(transaction=True)
def test_the_permission_to_view_does_not_allow_changes(client, cached_response):
    api = api_of("view_cache", staff=True)
    assert api.get(STATS).status_code == 200
    assert [api.delete(url).status_code for url in (CLEAR, INVALIDATE)] == [403, 403]
    assert outcome(client) == "HIT"


@pytest.mark.django_db(transaction=True)
def test_an_operator_reads_the_hit_rate(client, cached_response):
    for _ in range(8):
        client.get("/api/games/")
    body = api_of("view_cache", staff=True).get(STATS).json()
    assert (body["status"], body["stats"]["hits"], body["stats"]["misses"]) == ("ok", 9, 1)
    assert body["stats"]["hitRate"] == 0.9


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", [f"{CLEAR}?family=games-list", CLEAR, INVALIDATE])
def test_an_operator_clears_or_invalidates_cached_responses(client, cached_response, url):
    assert api_of("change_cache", staff=True).delete(url).status_code == 200
    assert outcome(client) == "MISS"
