"""The most requested URLs are warmed after a new version: the middleware counts them, one bounded zset ranks them."""

import asyncio
import itertools

import pytest
from django.conf import settings as configured
from django.core.management import call_command
from django.http import Http404, HttpResponse
from django.urls import path

from analytics.services import apply_pending
from cachecore import tasks, versions
from cachecore.keys import registry
from cachecore.maintenance import usage, warming
from cachecore.maintenance.usage import REQUESTED_URLS, CanonicalUrl
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.responses import switches
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware
from cachecore.responses.policies import Policy
from cachecore.responses.url_registry import CachedUrl, Url, cached_urls
from cachecore.responses.version_watcher import VersionWatcher
from cachecore.schedule import last_run
from cachecore.stats import stats
from cachecore.storage import leases
from config.urls import urlpatterns as project_urls
from games.keys import GAMES
from games.rounds import Round
from games.services import record_games
from games.views import LIST
from tests.cachecore.asgi import send_request

pytestmark = pytest.mark.django_db(transaction=True)

SEVEN = "/api/games/?per_page=7"


def broken(request):
    raise RuntimeError("out of order")


def gone(request):
    raise Http404


def refusing(request):
    return HttpResponse(status=503)


urlpatterns = [
    path("broken/", broken),
    path("gone/", gone),
    path("refusing/", refusing),
    *project_urls,
]


@pytest.fixture
def a_game():
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")


@pytest.fixture
def a_policy():
    versions.raise_version(GAMES)
    return LIST


def requests(*urls: tuple[str, str], method="GET", **headers) -> list[int]:
    """Send each (path, query) to the middleware of a process whose Django always sends 200. Return the statuses."""

    async def behind(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def go():
        middleware = ResponseCacheASGIMiddleware(behind, VersionWatcher([GAMES]))
        return [(await send_request(middleware, path, query, method, **headers)).status for path, query in urls]

    return asyncio.run(go())


def registered(
    policy: Policy, path: str, query: str = "", zone: str = "", parameters: str = "p", requests: int = 1
) -> CachedUrl:
    """Register a URL, as if a view had answered it in this process, with its number of requests since."""
    cached_url = cached_urls[Url(path, query, zone)] = CachedUrl(policy, parameters, requests=requests)
    return cached_url


def scores() -> dict[str, float]:
    with connections.guarded_client("state") as client:
        return {member.decode(): score for member, score in client.zrange(REQUESTED_URLS.key(), 0, -1, withscores=True)}


def put(of_members: dict[str, float]) -> None:
    with connections.guarded_client("state") as client:
        client.zadd(REQUESTED_URLS.key(), of_members)


# Counting --------------------------------------------------------------------------------------------------------


def test_the_middleware_counts_requests_for_urls_that_a_view_has_answered(a_game, client):
    client.get(SEVEN)
    assert requests(*3 * [("/api/games/", "per_page=7")]) == [200, 200, 200]
    usage.flush()
    assert scores() == {SEVEN: 3.0}


def test_counts_of_two_processes_add_up(a_policy):
    registered(a_policy, "/x/", "a=1", requests=3)
    registered(a_policy, "/y/", parameters="q")
    usage.flush()
    cached_urls.clear()  # another process
    registered(a_policy, "/x/", "a=1", requests=4)
    usage.flush()
    assert scores() == {"/x/?a=1": 7.0, "/y/": 1.0}


def test_reported_requests_are_not_reported_again(a_policy):
    cached_url = registered(a_policy, "/x/", requests=2)
    usage.flush()
    usage.flush()
    assert scores() == {"/x/": 2.0}
    cached_url.requests += 1
    usage.flush()
    assert scores() == {"/x/": 3.0}


def test_the_statistics_thread_reports_them():
    assert usage.flush in stats.after_flush


def test_head_requests_and_those_with_authorization_are_not_counted(a_game, client):
    client.get(SEVEN)
    requests(("/api/games/", "per_page=7"), method="HEAD")
    requests(("/api/games/", "per_page=7"), authorization="Token 1")
    usage.flush()
    assert scores() == {}


def test_different_spellings_of_a_request_take_one_member(a_game, client):
    for query, zone in [("per_page=7&page=1&tz=Asia/Tokyo", ""), ("per_page=07", "Asia/Tokyo"), ("per_page=7", "UTC")]:
        client.get(f"/api/games/?{query}", headers={"X-Timezone": zone} if zone else {})
    requests(("/api/games/", "per_page=7&page=1&tz=Asia/Tokyo"))
    requests(*2 * [("/api/games/", "per_page=07")], x_timezone="Asia/Tokyo")
    requests(("/api/games/", "per_page=7"), x_timezone="UTC")
    usage.flush()
    assert scores() == {"/api/games/?per_page=07 Asia/Tokyo": 3.0, "/api/games/?per_page=7 UTC": 1.0}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (Url("/x/"), CanonicalUrl("/x/")),
        (Url("/x/", "b=2&a=1", "", cross_origin=True, forwarded_proto="https"), CanonicalUrl("/x/?a=1&b=2")),
        (Url("/x/", "a=2&a=1"), CanonicalUrl("/x/?a=2&a=1")),
        (Url("/x/", "a=1,2&b=", "Asia/Tokyo"), CanonicalUrl("/x/?a=1%2C2&b=", "Asia/Tokyo")),
    ],
)
def test_the_canonical_form(url, expected):
    assert usage.canonical(url) == expected
    assert CanonicalUrl.parse(str(expected).encode()) == expected


def test_a_process_reports_its_most_requested_urls_first_and_keeps_the_others(a_policy, monkeypatch):
    monkeypatch.setattr(usage, "MAX_BATCH", 2)
    for number, count in enumerate([1, 5, 3]):
        registered(a_policy, f"/{number}/", parameters=str(number), requests=count)
    usage.flush()
    assert scores() == {"/1/": 5.0, "/2/": 3.0}
    usage.flush()
    assert scores() == {"/0/": 1.0, "/1/": 5.0, "/2/": 3.0}


def test_a_family_that_is_switched_off_takes_no_member(a_policy):
    registered(a_policy, "/x/")
    switches.set_switched_off({a_policy.family.name.encode()})
    try:
        usage.flush()
        assert scores() == {}
    finally:
        switches.set_switched_off(set())


# The bound -------------------------------------------------------------------------------------------------------


def test_a_new_member_replaces_the_least_requested_one_and_starts_from_its_score(a_policy, monkeypatch):
    monkeypatch.setattr(usage, "MAX_MEMBERS", 3)
    put({"/a/": 10, "/b/": 4, "/c/": 7})
    registered(a_policy, "/d/", requests=2)
    usage.flush()
    assert scores() == {"/d/": 6.0, "/c/": 7.0, "/a/": 10.0}


def test_thousands_of_urls_requested_once_do_not_displace_the_most_requested(a_policy):
    put({f"/favourite/{number}/": 100.0 for number in range(50)})
    for number in range(3_000):
        registered(a_policy, f"/scanned/{number}/", parameters=str(number))
    for _ in range(10):  # one batch per call
        usage.flush()
    assert len(scores()) == usage.MAX_MEMBERS
    assert {found.url for found in usage.top(50)} == {f"/favourite/{number}/" for number in range(50)}


def test_scores_decay_until_the_last_member_is_removed():
    put({"/often/": 12, "/seldom/": 2, "/once/": 1})
    assert tasks.decay_usage() == {"asked": 2}
    assert scores() == {"/often/": 6.0, "/seldom/": 1.0}
    for _ in range(3):
        tasks.decay_usage()
    assert scores() == {}
    assert tasks.decay_usage() == {"asked": 0}
    assert last_run("fade-use").outcome == "done"


def test_scores_are_halved_every_hour():
    entry = configured.CELERY_BEAT_SCHEDULE["fade-use"]
    assert (entry["task"], entry["schedule"]) == (tasks.decay_usage.name, 3600.0)


# URLs that are never counted -----------------------------------------------------------------------------------------

HOSTILE = [
    ("/api/games/", "per_page=7&x=" + 10_000 * "a", ""),
    ("/api/games/", "per_page=7%0Ax", ""),
    ("/api/games/\nHost: evil.example", "", ""),
    ("//evil.example/api/games/", "", ""),
    ("http://evil.example/api/games/", "", ""),
    ("/api/games/../../etc/passwd\x00", "", ""),
    ("/api/games/", "", "UTC\r\nX: y"),
    ("/api/games/", "", "UTC " + SEVEN),
    ("/api/games/", "tz=" + 600 * "a", ""),
    ("/api/gämes/", "", ""),
    ("/api/games/*", "{}", ""),
]


@pytest.mark.parametrize(("path", "query", "zone"), HOSTILE)
def test_hostile_urls_are_not_counted(a_game, client, path, query, zone):
    client.get(path, QUERY_STRING=query, headers={"X-Timezone": zone})
    requests(*2 * [(path, query)], **({"x_timezone": zone} if zone else {}))
    usage.flush()
    assert scores() == {}


@pytest.mark.parametrize(("path", "query", "zone"), [one for one in HOSTILE if one[1] not in ("per_page=7%0Ax", "{}")])
def test_hostile_urls_are_not_counted_even_if_a_view_had_answered_them(a_policy, path, query, zone):
    registered(a_policy, path, query, zone, parameters="hostile", requests=1_000)
    registered(a_policy, "/well/")
    usage.flush()
    assert scores() == {"/well/": 1.0}
    usage.flush()
    assert scores() == {"/well/": 1.0}  # the rejected URL is not reported later either


def test_another_host_is_not_counted(a_game, client):
    client.get(SEVEN)

    async def go():
        middleware = ResponseCacheASGIMiddleware(lambda *_: asyncio.sleep(0), VersionWatcher([GAMES]))
        scope = {"type": "http", "method": "GET", "path": "/api/games/", "query_string": b"per_page=7"}
        await middleware(scope | {"headers": [(b"host", b"evil.example")]}, None, None)

    asyncio.run(go())
    usage.flush()
    assert scores() == {}


def test_requests_that_a_view_rejects_are_not_counted(a_game, client):
    assert client.get("/api/games/?nonsense=1").status_code == 400
    requests(*3 * [("/api/games/", "nonsense=1")])
    usage.flush()
    assert scores() == {}


# Warming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("top", "outcome"), [(50, "HIT"), (0, "MISS")])
def test_requested_urls_are_hits_at_once_under_a_new_version(a_game, client, settings, top, outcome):
    settings.CACHE_REWARM_TOP = top
    zoned = {"headers": {"X-Timezone": "Asia/Tokyo"}}
    client.get(SEVEN, **zoned)
    requests(*2 * [("/api/games/", "per_page=7")], x_timezone="Asia/Tokyo")
    usage.flush()
    record_games([Round(game_id=2, crash_hundredths=300)], source="test")
    tasks.warm()
    response = client.get(SEVEN, **zoned)
    assert (response.headers["X-Cache"], response.json()["count"]) == (outcome, 2)


def test_only_the_most_requested_are_warmed_in_their_order(a_game, settings):
    settings.CACHE_REWARM_TOP = 2
    put({"/api/games/?per_page=5": 3, "/api/games/?per_page=6": 1, SEVEN: 2})
    assert [one for one in warming.run(rest=lambda _: None).warmed if "=" in one] == [
        "/api/games/?per_page=5",
        SEVEN,
        "/api/games/?per_page=100",
    ]


def test_a_standard_response_that_is_requested_often_is_computed_once_and_first(a_game):
    put({"/api/games/?per_page=100": 3})
    assert warming.run(rest=lambda _: None).warmed == ["/api/games/?per_page=100", "/api/games/"]


@pytest.mark.urls(__name__)
def test_a_failure_is_counted_and_does_not_stop_the_run(a_game, caplog):
    stats.reset()
    put({"/broken/": 9, "/refusing/": 8, SEVEN: 7})
    report = warming.Report()
    for one in warming.plan()[:3]:
        warming.warm(one, report)
    assert (report.warmed, report.failed) == ([SEVEN], ["/broken/", "/refusing/"])
    assert stats._counters.totals()[(REQUESTED_URLS.name, "error")] == 2
    assert "/refusing/ was not warmed: status 503, X-Cache ''" in caplog.messages
    assert list(scores()) == [SEVEN, "/refusing/", "/broken/"]  # they stay: their views may succeed next time


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    "url", ["/api/games/?nonsense=1", "/api/games/99/", "/gone/", "/nowhere/", "/api/games/?tz=Nowhere/Land"]
)
def test_a_url_answered_by_a_4xx_is_dropped(a_game, url):
    put({url: 9, SEVEN: 7})
    report = warming.run(rest=lambda _: None)
    assert (report.dropped, SEVEN in report.warmed) == ([url], True)
    assert not [failed for failed in report.failed if not failed.startswith("/api/analytics/")]
    assert list(scores()) == [SEVEN]


@pytest.mark.parametrize("how", ["by setting", "by admin"])
def test_a_family_switched_off_is_no_failure(a_game, settings, caplog, how):
    settings.ANALYTICS_CONDITIONS = []
    stats.reset()
    if how == "by setting":
        settings.CACHE_RESPONSES_OFF = ["games-list"]
    switches.switch(registry["games-list"], on=how == "by setting")
    try:
        report = warming.Report()
        for one in warming.plan(["games-list"]):
            warming.warm(one, report)
    finally:
        settings.CACHE_RESPONSES_OFF = []
        switches.switch(registry["games-list"], on=True)
    assert (report.switched_off, report.failed) == (["/api/games/", "/api/games/?per_page=100"], [])
    assert (REQUESTED_URLS.name, "error") not in stats._counters.totals()
    assert "was not warmed" not in caplog.text


def test_a_run_ends_before_the_next_may_begin(a_game):
    put({SEVEN: 7, "/api/games/?per_page=6": 5})
    ticks = itertools.count(0.0, 1.5)  # the run starts at 0 and checks the time at 1.5, 3, 4.5 ...
    report = warming.run(clock=lambda: next(ticks))
    assert report.warmed == [SEVEN, "/api/games/?per_page=6"]
    assert report.remaining == len(warming.plan()) - 2 > 0


def test_a_stored_response_is_not_requested_again(a_game):
    """A hit inside Django takes four times as long as a check of the key, and would be counted as a hit."""
    put({SEVEN: 7, "/api/games/?per_page=6": 5})
    warming.run(rest=lambda _: None)
    stats.reset()
    report = warming.run(rest=lambda _: None)
    assert report.already_warm == [SEVEN, "/api/games/?per_page=6", "/api/games/", "/api/games/?per_page=100"]
    assert (report.warmed, stats._counters.totals().get(("games-list", "hit"), 0)) == ([], 0)
    versions.raise_version(GAMES)
    assert warming.run(rest=lambda _: None).warmed == [*report.already_warm]


def test_a_response_being_computed_by_a_request_is_skipped(a_game, settings):
    settings.ANALYTICS_CONDITIONS = []
    put({SEVEN: 7})
    warming.run(rest=lambda _: None)
    key = cached_urls[Url("/api/games/", "per_page=7")].key(versions.raise_version(GAMES))
    with connections.guarded_client("cache") as client:
        client.set(leases.LEASE.key(key=key), b"a request's", px=5_000)
    report = warming.run(rest=lambda _: None)
    assert (report.already_warm, report.warmed) == ([SEVEN], ["/api/games/", "/api/games/?per_page=100"])


def test_only_urls_without_recent_requests_are_warmed_at_a_quarter_of_the_speed(a_game, settings):
    settings.ANALYTICS_CONDITIONS = []
    put({SEVEN: 7, "/api/games/": 5})
    ticks, rests = itertools.count(0.0, 0.125), []
    report = warming.run(clock=lambda: next(ticks), rest=rests.append)
    assert report.warmed == [SEVEN, "/api/games/", "/api/games/?per_page=100"]
    assert (report.remaining, rests) == (0, [0.375] * (1 + len(report.failed)))  # three times what each took


def test_the_task_returns_numbers_only(a_game, settings):
    settings.ANALYTICS_CONDITIONS = []
    put({"/api/games/?nonsense=1": 9, SEVEN: 7})
    result = tasks.warm()
    assert (result["warmed"], result["dropped"], result["left"]) == (3, 1, 0)
    assert last_run("warm").result == result


def test_a_dry_run_lists_the_most_requested_urls_first(a_game, capsys, settings):
    settings.ANALYTICS_CONDITIONS = []
    put({SEVEN: 7, "/api/games/": 3, "/api/games/?nonsense=1": 2})
    call_command("warm_cache", "--dry-run")
    listed = capsys.readouterr().out.splitlines()
    assert listed[:3] == [SEVEN, "/api/games/", "/api/games/?nonsense=1"]
    assert listed[-1] == f"Would warm {len(listed) - 1} answers, 2 of them because they are requested most."
    assert len(scores()) == 3


def test_the_command_prints_a_summary(a_game, capsys):
    apply_pending()
    put({SEVEN: 7, "/api/games/?nonsense=1": 2})
    call_command("warm_cache")
    summary, by_use = capsys.readouterr().out.splitlines()
    assert summary.startswith(f"Warmed {len(warming.plan())} answers in ")
    assert summary.endswith(" s, 0 were warm already, 0 failed.")
    assert by_use == "2 of them because they are requested most; 1 dropped."


def test_a_named_family_is_warmed_without_the_most_requested_urls(a_game, capsys):
    put({SEVEN: 7})
    call_command("warm_cache", "games-list", "--dry-run")
    assert capsys.readouterr().out == "/api/games/\n/api/games/?per_page=100\nWould warm 2 answers.\n"


# Redis unavailable -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_counts_are_kept_while_redis_is_unavailable(a_policy, valkey, fault):
    registered(a_policy, "/x/", requests=2)
    getattr(valkey, fault)()
    with pytest.raises(RedisUnavailable):
        usage.flush()
    assert warming.plan() == [warming.PlannedUrl(CanonicalUrl(url), standard=True) for url in warming.urls()]
    valkey.resume()
    if not valkey.running:
        valkey.start()
    connections.breaker("state").record_success()
    with connections.guarded_client("state") as client:
        client.delete(REQUESTED_URLS.key())  # a paused server executes what it had received
    usage.flush()
    assert scores() == {"/x/": 2.0}


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_a_run_ends_if_no_response_can_be_stored(a_game, valkey, caplog, fault):
    stats.reset()
    getattr(valkey, fault)()
    report = warming.run(rest=lambda _: None)
    first, *others = map(str, warming.urls())
    assert (report.failed, report.warmed, report.remaining) == ([first], [], len(others))
    [reason] = [message for message in caplog.messages if message.startswith("warming ends: ")]
    assert reason.startswith("warming ends: Redis role ")
    assert not [message for message in caplog.messages if "was not warmed" in message]
    assert (REQUESTED_URLS.name, "error") not in stats._counters.totals()


def test_without_redis_a_dropped_url_is_still_reported(a_game, valkey):
    put({"/nowhere/": 2})
    valkey.stop()
    report = warming.Report()
    warming.warm(warming.PlannedUrl(CanonicalUrl("/nowhere/"), standard=False), report)
    assert report.dropped == ["/nowhere/"]
