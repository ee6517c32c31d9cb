"""Rate limits: exact counts on a real server, the headers that callers see, and the cost of an outage of Redis."""

import asyncio
import importlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import limits
import pytest
import redis
from a2wsgi import WSGIMiddleware
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.db import connections as databases
from django.test import Client
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from analytics.live.keys import ANALYTICS
from cachecore import versions
from cachecore.maintenance import warming
from cachecore.rate_limits import callers, scopes
from cachecore.rate_limits.scopes import LimitsUnavailable, charge
from cachecore.rate_limits.windows import Quota, sliding_quota, take_in_moving_window, take_in_sliding_window
from cachecore.redis_client import connections
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware
from cachecore.responses.version_watcher import VersionWatcher
from cachecore.stats import stats
from config.settings import throttling as settings_module
from config.wsgi import application as django
from games.keys import GAMES
from games.rounds import Round
from games.services import record_games
from tests.cachecore.asgi import send_request
from tests.factories.tokens import authorization

RATE = limits.parse("5/minute")
WINDOWS = {"sliding": take_in_sliding_window, "moving": take_in_moving_window}
COUNTERS = ["rate:{test:me}:5/60s:previous", "rate:{test:me}:5/60s:current"]
LOG = "rate:{test:me}:5/60s:log"
T0 = 1_800_000_000.0


@pytest.fixture(params=WINDOWS.values(), ids=WINDOWS)
def take(request):
    return request.param


@pytest.fixture
def state():
    with connections.guarded_client("state") as client:
        yield client


@pytest.fixture
def limited(settings, monkeypatch):
    """Switch limiting on, with two requests per minute for every scope."""
    monkeypatch.setattr(scopes, "_last_failed_retry", float("-inf"))
    settings.ENABLE_REDIS_RATE_LIMITING = True
    settings.RATE_LIMITS = dict.fromkeys(("analytics", "games", "play", "ingest", "login"), "2/minute")
    return settings


def limit_headers(response) -> dict[str, str]:
    names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After")
    return {name: response.headers[name] for name in names if name in response.headers}


# The windows ---------------------------------------------------------------------------------------------------


def test_exactly_as_many_requests_as_the_limit_are_allowed(take, state):
    quotas = [take(state, RATE, "test", "me") for _ in range(8)]
    assert [quota.allowed for quota in quotas] == [True] * 5 + [False] * 3
    assert [quota.remaining for quota in quotas] == [4, 3, 2, 1, 0, 0, 0, 0]
    assert {quota.limit for quota in quotas} == {5}
    assert all(55_000 < quota.next_ms <= 60_000 for quota in quotas)


def test_callers_scopes_and_rates_have_windows_of_their_own(take, state):
    for _ in range(5):
        take(state, RATE, "test", "me")
    assert take(state, RATE, "test", "you").remaining == 4
    assert take(state, RATE, "other", "me").remaining == 4
    assert take(state, limits.parse("6/minute"), "test", "me").remaining == 5
    assert not take(state, RATE, "test", "me").allowed


def test_two_clients_racing_get_exactly_the_limit_between_them(take, valkey):
    rate = limits.parse("100/minute")
    clients = [redis.Redis.from_url(valkey.url) for _ in range(2)]

    def hammer(client) -> int:
        return sum(take(client, rate, "test", "me").allowed for _ in range(80))

    with ThreadPoolExecutor(2) as pool:
        allowed = list(pool.map(hammer, clients))
    for client in clients:
        client.close()
    assert sum(allowed) == 100


def test_a_request_costs_one_round_trip(take, state):
    take(state, RATE, "test", "me")  # loads the script
    before = state.info("stats")["total_reads_processed"]
    for _ in range(10):
        take(state, RATE, "test", "me")
    assert state.info("stats")["total_reads_processed"] - before == 10 + 1  # the INFO command is one


def test_a_script_that_the_server_lost_is_sent_again(take, state):
    take(state, RATE, "test", "me")
    state.script_flush()
    assert take(state, RATE, "test", "me").remaining == 3


def test_the_keys_are_literal_and_expire(state):
    for _ in range(9):
        take_in_sliding_window(state, RATE, "test", "me")
        take_in_moving_window(state, RATE, "test", "me")
    assert sorted(key.decode() for key in state.scan_iter()) == sorted([COUNTERS[1], LOG])
    assert 119_000 < state.pttl(COUNTERS[1]) <= 120_000
    assert 59_000 < state.pttl(LOG) <= 60_000
    assert (state.get(COUNTERS[1]), state.llen(LOG)) == (b"5", 5)  # refused requests are not recorded


def test_in_a_moving_window_each_request_expires_at_its_own_time(state):
    def at(seconds: float) -> Quota:
        return take_in_moving_window(state, RATE, "test", "me", now=T0 + seconds)

    assert [at(seconds).remaining for seconds in (0, 10, 20, 30, 40)] == [4, 3, 2, 1, 0]
    assert at(50) == Quota(allowed=False, limit=5, remaining=0, next_ms=10_000)
    assert at(60) == Quota(allowed=False, limit=5, remaining=0, next_ms=0)  # the first counts to its last moment
    assert at(60.001) == Quota(allowed=True, limit=5, remaining=0, next_ms=9_999)
    assert at(60.001).allowed is False
    assert at(85) == Quota(allowed=True, limit=5, remaining=1, next_ms=5_000)


def test_a_moving_window_allows_no_burst_over_the_boundary_of_two_minutes(state):
    times = [T0 + 59 + i / 1000 for i in range(5)] + [T0 + 61 + i / 1000 for i in range(5)]
    assert sum(take_in_moving_window(state, RATE, "test", "me", now=now).allowed for now in times) == 5


def test_a_moving_window_uses_the_servers_clock(state):
    seconds, micros = state.time()
    state.rpush(LOG, *[seconds + micros / 1e6 - 50.5] * 5)
    quota = take_in_moving_window(state, RATE, "test", "me")
    assert (quota.allowed, quota.next_seconds) == (False, 10)


def test_a_sliding_window_weights_the_previous_window(state):
    rate = limits.parse("10/minute")
    keys = [name.replace("5/60s", "10/60s") for name in COUNTERS]
    state.set(keys[0], 8, px=29_990)  # half of the previous window counts: 8 * 29.99 / 60, so 3
    state.set(keys[1], 5, px=89_990)
    quota = take_in_sliding_window(state, rate, "test", "me")
    assert (quota.allowed, quota.remaining, quota.next_seconds) == (True, 1, 8)
    assert take_in_sliding_window(state, rate, "test", "me").remaining == 0
    assert not take_in_sliding_window(state, rate, "test", "me").allowed


def test_a_refused_caller_succeeds_after_the_announced_wait(state):
    """In any state of the window: after the data are moved by the announced time there is a free slot."""
    generator = random.Random(4)
    rate = limits.parse("10/minute")
    keys = [name.replace("5/60s", "10/60s") for name in COUNTERS]
    refused = 0
    for _ in range(200):
        state.delete(*keys)
        previous, current, ttl = generator.randint(0, 10), generator.randint(1, 10), generator.randint(1, 60_000)
        if previous:
            state.set(keys[0], previous, px=ttl)
        state.set(keys[1], current, px=ttl + 60_000)
        quota = take_in_sliding_window(state, rate, "test", "me")
        if quota.allowed or previous * ttl // 60_000 + current > 10:  # the latter state cannot occur
            continue
        refused += 1
        for key in keys:
            if (left := state.pttl(key)) > 0:
                state.pexpire(key, max(1, left - quota.next_seconds * 1000 - 1))
        assert take_in_sliding_window(state, rate, "test", "me").allowed, (previous, current, ttl, quota)
    assert refused > 20


def test_a_sliding_windows_quota_equals_the_librarys():
    class Window(MemoryStorage):
        now: tuple[int, float, int, float]

        def get_sliding_window(self, key, expiry):
            return self.now

    generator = random.Random(17)
    storage, rate = Window(), limits.parse("100/minute")
    library = SlidingWindowCounterRateLimiter(storage)
    for _ in range(500):
        previous, current = generator.randint(0, 100), generator.randint(0, 100)
        ttl = generator.randint(1, 59_999)
        storage.now = previous, ttl / 1000, current, ttl / 1000 + 60
        expected = library.get_window_stats(rate, "x")
        before = time.time()
        quota = sliding_quota(rate, 1, previous, ttl, current, ttl + 60_000)
        assert quota.remaining == expected.remaining
        assert quota.next_ms == pytest.approx((expected.reset_time - before) * 1000, abs=50)


# Callers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("203.0.113.7", "ip:203.0.113.7"),
        ("::ffff:203.0.113.7", "ip:203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "ip:2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::9", "ip:2001:db8:1:2::/64"),
        ("203.0.113.7:4711", "ip:203.0.113.7"),
        ("[2001:db8:1:2::9]:443", "ip:2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "ip:2001:db8:1:2::/64"),
        (" [::ffff:203.0.113.7]:80 ", "ip:203.0.113.7"),
    ],
)
def test_different_spellings_of_an_address_have_one_identity(text, identity):
    assert callers.address(text) == identity


NO_ADDRESSES = [
    "unknown",
    "_hidden",
    "}:*\n",
    "203.0.113.7:",
    "203.0.113.7:x",
    "[2001:db8::9",
    "[203.0.113.7]",
    "1" * 9_000,
]


@pytest.mark.parametrize("text", [*NO_ADDRESSES, "", "[2001:db8::9]443", "203.0.113.256", "fe80::1%" + "x" * 9_000])
def test_a_text_that_is_no_address_has_no_identity(text):
    assert callers.address(text) is None


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_clients_without_an_address_share_an_identity_per_proxy(text):
    assert callers.client(text, "198.51.100.1", 1) == "proxy:198.51.100.1"
    assert callers.client(f"203.0.113.7, {text}", "2001:db8::1", 1) == "proxy:2001:db8::/64"
    assert callers.client(text, "", 1) == "proxy:unknown"
    assert callers.client(text, "198.51.100.1", 0) == "ip:198.51.100.1"


@pytest.mark.parametrize("name", [" admin", "ADMIN", "\uff41dmin", "admin "])
def test_a_username_is_normalised_as_in_the_login_form(name):
    assert callers.login("ip:203.0.113.7", name) == callers.login("ip:203.0.113.7", "admin")


@pytest.mark.parametrize("name", ["", "admin2", "a" * 10_000, "}{*", "\ud800"])
def test_an_unusual_username_makes_a_short_key_of_its_own(name):
    identity = callers.login("ip:203.0.113.7", name)
    assert identity != callers.login("ip:203.0.113.7", "admin")
    assert len(identity) == len("ip:203.0.113.7:name:") + 32


# Views -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_view_sends_its_limit_and_refuses_requests_above_it(client, limited):
    first, second, third = [client.get(f"/api/games/?page={page}") for page in (1, 1, 1)]
    assert [response.status_code for response in (first, second, third)] == [200, 200, 429]
    assert limit_headers(first) == {"RateLimit-Limit": "2", "RateLimit-Remaining": "1", "RateLimit-Reset": "60"}
    assert limit_headers(second) == {"RateLimit-Limit": "2", "RateLimit-Remaining": "0", "RateLimit-Reset": "60"}
    assert limit_headers(third) == {**limit_headers(second), "Retry-After": "60"}
    assert third.json() == {"detail": "Request was throttled. Expected available in 60 seconds."}


@pytest.mark.django_db
def test_an_invalid_request_is_counted_too(client, limited):
    response = client.get("/api/games/?page=x")
    assert (response.status_code, limit_headers(response)["RateLimit-Remaining"]) == (400, "1")


@pytest.mark.django_db
def test_scopes_are_counted_separately_and_the_views_of_one_together(client, limited):
    for url in ("/api/analytics/status/", "/api/analytics/occurrences/?min=2"):
        assert client.get(url).status_code == 200
    assert client.get("/api/analytics/intervals/?min=2").status_code == 429
    assert client.get("/api/games/").status_code == 200


@pytest.mark.django_db
def test_addresses_are_counted_separately(client, limited):
    for _ in range(3):
        client.get("/api/games/", REMOTE_ADDR="203.0.113.7")
    assert client.get("/api/games/", REMOTE_ADDR="203.0.113.7").status_code == 429
    assert client.get("/api/games/", REMOTE_ADDR="203.0.113.8").status_code == 200


@pytest.mark.django_db
def test_a_forwarded_address_is_ignored_without_a_trusted_proxy(client, limited):
    statuses = [client.get("/api/games/", headers={"X-Forwarded-For": f"10.0.0.{i}"}).status_code for i in range(4)]
    assert statuses == [200, 200, 429, 429]


@pytest.mark.django_db
def test_behind_a_trusted_proxy_only_the_address_that_it_appended_counts(client, limited):
    limited.REST_FRAMEWORK = {**limited.REST_FRAMEWORK, "NUM_PROXIES": 1}

    def status(forwarded: str) -> int:
        return client.get("/api/games/", headers={"X-Forwarded-For": forwarded}).status_code

    assert [status(f"10.0.0.{i}, 203.0.113.7") for i in range(4)] == [200, 200, 429, 429]
    assert status("10.0.0.0, 203.0.113.8") == 200


@pytest.mark.django_db
def test_the_ports_that_a_proxy_appends_do_not_make_callers_share_a_limit_or_get_several(client, limited):
    limited.REST_FRAMEWORK = {**limited.REST_FRAMEWORK, "NUM_PROXIES": 1}

    def status(forwarded: str) -> int:
        return client.get("/api/games/", headers={"X-Forwarded-For": forwarded}).status_code

    assert [status(f"198.51.100.9:{50211 + i}") for i in range(3)] == [200, 200, 429]
    assert [status(f"[2001:db8::{i}]:443") for i in range(5, 8)] == [200, 200, 429]
    assert [status("unknown") for _ in range(11)] == [200] * 10 + [429]
    assert status("198.51.100.10:50211") == 200


@pytest.mark.django_db
def test_the_header_forwarded_is_not_read(client, limited):
    limited.REST_FRAMEWORK = {**limited.REST_FRAMEWORK, "NUM_PROXIES": 1}
    statuses = [client.get("/api/games/", headers={"Forwarded": f"for=10.0.0.{i}"}).status_code for i in range(4)]
    assert statuses == [200, 200, 429, 429]


@pytest.mark.django_db
def test_ingest_is_counted_by_user_from_any_address(client, limited):
    def post(user: User, address: str):
        headers = {"Authorization": authorization(user, "ingest")}
        return client.post(
            "/api/games/", [{"game_id": 1, "crash_point": 2}], "application/json", headers=headers, REMOTE_ADDR=address
        )

    feeds = [User.objects.create_user(name) for name in ("one", "other")]
    for feed in feeds:
        feed.user_permissions.add(Permission.objects.get(codename="ingest_games"))
    statuses = [post(feeds[0], f"203.0.113.{i}").status_code for i in range(3)]
    assert statuses == [201, 200, 429]
    assert post(feeds[1], "203.0.113.1").status_code == 200
    assert client.get("/api/games/", REMOTE_ADDR="203.0.113.1").status_code == 200
    with connections.guarded_client("state") as state:
        assert state.llen(f"rate:{{ingest:user:{feeds[0].pk}}}:2/60s:log") == 2


@pytest.mark.django_db
@pytest.mark.parametrize("how", [{"ENABLE_REDIS_RATE_LIMITING": False}, {"RATE_LIMITS": {"games": ""}}], ids=str)
def test_a_scope_that_is_switched_off_is_not_counted(client, limited, how):
    for name, value in how.items():
        setattr(limited, name, value)
    responses = [client.get("/api/games/") for _ in range(4)]
    assert {(response.status_code, str(limit_headers(response))) for response in responses} == {(200, "{}")}


@pytest.mark.django_db
def test_a_view_without_a_scope_is_not_limited(client, limited):
    assert [client.get("/api/docs/").status_code for _ in range(3)] == [200] * 3


@pytest.mark.django_db
def test_warming_is_not_counted(limited):
    versions.raise_version(GAMES)  # without one nothing is stored
    report = warming.Report()
    for page in range(1, 5):
        warming.warm_url(f"/api/games/?per_page={page}", report)
    assert (len(report.warmed), report.failed) == (4, [])


# Cached responses ------------------------------------------------------------------------------------------------


@pytest.fixture
def cached(limited):
    """Make responses cacheable: raise the versions in their keys."""
    for space in (GAMES, ANALYTICS):
        versions.raise_version(space)
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    return limited


def counted(scope: str, address: str = "127.0.0.1") -> int:
    with connections.guarded_client("state") as state:
        return int(state.get(f"rate:{{{scope}:ip:{address}}}:2/60s:current") or 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("url", "scope"),
    [
        ("/api/games/", "games"),
        ("/api/games/1/", "games"),
        ("/api/games/1/verification/", "games"),
        ("/api/analytics/occurrences/?min=2", "analytics"),
        ("/api/analytics/intervals/?min=2", "analytics"),
        ("/api/analytics/game-sets/?min=2", "analytics"),
        ("/api/analytics/series/?min=2", "analytics"),
        ("/api/analytics/last-games/?min=2", "analytics"),
        ("/api/analytics/distribution/", "analytics"),
        ("/api/analytics/volatility/", "analytics"),
        ("/api/analytics/audit/", "analytics"),
    ],
)
def test_a_hit_inside_django_is_not_counted_and_has_no_limit_headers(client, cached, url, scope):
    miss, *hits = [client.get(url) for _ in range(4)] + [client.head(url)]
    assert (miss.status_code, miss.headers["X-Cache"], limit_headers(miss)["RateLimit-Remaining"]) == (200, "MISS", "1")
    assert {(hit.status_code, hit.headers["X-Cache"], str(limit_headers(hit))) for hit in hits} == {(200, "HIT", "{}")}
    assert counted(scope) == 1


@pytest.mark.django_db(transaction=True)
def test_above_the_limit_cached_responses_are_served_and_nothing_is_computed(client, cached, django_assert_num_queries):
    for page_size in (1, 2):
        assert client.get(f"/api/games/?per_page={page_size}").status_code == 200
    with django_assert_num_queries(0):
        refused = client.get("/api/games/?per_page=3")
        hit = client.get("/api/games/?per_page=1")
    assert (refused.status_code, hit.status_code, hit.headers["X-Cache"]) == (429, 200, "HIT")
    assert refused.json() == {"detail": "Request was throttled. Expected available in 60 seconds."}
    assert limit_headers(refused) == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "60",
        "Retry-After": "60",
    }
    assert "X-Cache" not in refused.headers
    with connections.guarded_client("cache") as cached:
        assert sorted(key.split(b":")[5] for key in cached.keys("games:list:*")) == [b"1", b"2"]
    assert counted("games") == 2


@pytest.mark.django_db(transaction=True)
def test_responses_that_are_not_stored_count_every_time(client, cached):
    with connections.guarded_client("state") as state:
        state.delete(GAMES.key)
    responses = [client.get("/api/games/") for _ in range(3)]
    assert [(one.status_code, one.headers.get("X-Cache")) for one in responses] == [
        (200, "BYPASS"),
        (200, "BYPASS"),
        (429, None),
    ]


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_for_one_response_count_once(cached):
    cached.RATE_LIMITS = dict.fromkeys(cached.RATE_LIMITS, "2/minute")
    barrier = threading.Barrier(4)

    def request(_):
        try:
            barrier.wait(5)
            return Client().get("/api/games/").status_code
        finally:
            databases.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(request, range(4))) == [200] * 4
    assert counted("games") == 1


@pytest.mark.django_db(transaction=True)
def test_a_404_from_computing_counts_too(client, cached):
    missing = client.get("/api/games/2/")
    assert (missing.status_code, limit_headers(missing)["RateLimit-Remaining"]) == (404, "1")


@pytest.mark.django_db(transaction=True)
def test_invalid_parameters_are_named_even_above_the_limit_and_counted(client, cached):
    responses = [client.get("/api/games/?page=x") for _ in range(3)]
    assert [(one.status_code, limit_headers(one)["RateLimit-Remaining"]) for one in responses] == [
        (400, "1"),
        (400, "0"),
        (400, "0"),
    ]
    assert client.get("/api/games/").status_code == 429


@pytest.mark.django_db(transaction=True)
def test_a_view_without_a_cache_counts_before_it_runs(client, cached, django_assert_num_queries):
    for _ in range(2):
        assert client.get("/api/games/export/?format=csv").getvalue()  # read to its end, because the rows are streamed
    with django_assert_num_queries(0):
        assert client.get("/api/games/export/?format=csv").status_code == 429
    assert client.options("/api/games/").status_code == 429


# Redis unavailable -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_a_scope_that_fails_open_is_not_limited_and_the_error_is_counted(client, limited, valkey, fault):
    stats.reset()
    getattr(valkey, fault)()
    response = client.get("/api/games/")
    assert (response.status_code, limit_headers(response)) == (200, {})
    assert stats._counters.totals()[("rate-counter", "error")] == 1


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_a_scope_that_fails_closed_is_a_503_with_retry_after(client, limited, valkey, fault):
    limited.RATE_LIMIT_FAIL_CLOSED = {"games"}
    getattr(valkey, fault)()
    response = client.get("/api/games/")
    assert (response.status_code, limit_headers(response)) == (503, {"Retry-After": "5"})
    assert response.json() == {"detail": "The rate limit cannot be checked now."}


def test_an_outage_is_logged_once_and_not_per_unchecked_request(limited, valkey, caplog):
    valkey.stop()
    for _ in range(5):
        assert charge("games", "me") is None
        with pytest.raises(LimitsUnavailable):
            charge("ingest", "me")
    assert [one.message.partition(":")[0] for one in caplog.records] == ["Redis role 'state' is unavailable"]


def test_a_hung_redis_does_not_delay_every_request_by_a_time_limit(limited, valkey):
    valkey.pause()
    started = time.monotonic()
    assert [charge("games", "me") for _ in range(20)] == [None] * 20
    for _ in range(20):
        with pytest.raises(LimitsUnavailable):
            charge("ingest", "me")
    assert time.monotonic() - started < 40 * limited.REDIS_TIMEOUT_SECONDS / 4


def test_a_late_reply_does_not_turn_away_what_fails_closed_while_the_breaker_is_open(limited, valkey):
    valkey.pause()
    assert charge("games", "me") is None  # opens the breaker
    valkey.resume()
    assert [charge("ingest", "me").remaining, charge("login", "me").remaining] == [1, 1]
    assert charge("games", "other").remaining == 1  # the retry has closed the breaker


# The ASGI middleware ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_hits_of_the_middleware_are_not_counted_and_have_no_limit_headers(limited):
    async def scenario():
        middleware = ResponseCacheASGIMiddleware(WSGIMiddleware(django, workers=1), VersionWatcher([GAMES]))
        version = await asyncio.to_thread(versions.raise_version, GAMES)
        await middleware.start()
        try:
            async with asyncio.timeout(5):
                while middleware._watcher.current_version(GAMES) != version:
                    await asyncio.sleep(0.01)
            return [await send_request(from_address(middleware), "/api/games/") for _ in range(5)]
        finally:
            await middleware.stop()

    def from_address(middleware):
        async def app(scope, receive, send):
            await middleware({**scope, "client": ("203.0.113.7", 4711)}, receive, send)

        return app

    responses = asyncio.run(scenario())
    assert [response.headers["x-cache"] for response in responses] == ["MISS"] + ["HIT"] * 4
    assert {response.status for response in responses} == {200}
    assert responses[0].headers["ratelimit-remaining"] == "1"
    assert not [name for response in responses[1:] for name in response.headers if name.startswith("ratelimit")]
    with connections.guarded_client("state") as state:
        assert state.get("rate:{games:ip:203.0.113.7}:2/60s:current") == b"1"


# Logging in ------------------------------------------------------------------------------------------------------


@pytest.fixture
def log_in(limited, db):
    if "cachecore.rate_limits.login.LoginThrottle" not in limited.MIDDLEWARE:
        limited.MIDDLEWARE = [*limited.MIDDLEWARE, "cachecore.rate_limits.login.LoginThrottle"]
    User.objects.create_superuser("admin", password="right")

    def post(username="admin", *, right=False, address="203.0.113.7", client=None):
        form = {"username": username, "password": "right" if right else "wrong"}
        return (client or Client()).post("/admin/login/?next=/admin/", form, REMOTE_ADDR=address)

    return post


def test_attempts_above_the_limit_are_refused_even_with_the_right_password(log_in):
    first, second, third = log_in(), log_in(), log_in(right=True)
    assert [response.status_code for response in (first, second, third)] == [200, 200, 429]
    assert limit_headers(first) == {"RateLimit-Limit": "2", "RateLimit-Remaining": "1", "RateLimit-Reset": "60"}
    assert limit_headers(third)["Retry-After"] == "60"
    assert third.content == b"Too many attempts to log in. Try again in 60 seconds.\n"
    assert "sessionid" not in third.cookies


def test_another_name_and_another_address_have_attempts_of_their_own(log_in):
    for _ in range(3):
        log_in()
    assert log_in(" ADMIN").status_code == 429
    assert log_in("other").status_code == 200
    assert log_in(right=True, address="203.0.113.8").status_code == 302


def test_an_address_has_a_limit_of_its_own_whatever_the_username(log_in, limited):
    limited.RATE_LIMITS = {"login": "2/minute", "login_address": "3/minute"}
    assert [log_in(f"name{i}").status_code for i in range(5)] == [200, 200, 200, 429, 429]
    assert limit_headers(log_in("name9"))["RateLimit-Limit"] == "3"
    assert log_in("name1", address="203.0.113.8").status_code == 200


def test_the_addresses_of_one_ipv6_network_share_the_limit_of_logins(log_in, limited):
    limited.RATE_LIMITS = {"login_address": "3/minute"}
    statuses = [log_in(f"name{i}", address=f"2001:db8::{i + 1}").status_code for i in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert log_in(address="2001:db8:0:1::1").status_code == 200


def test_clients_whose_address_is_unknown_cannot_lock_out_a_named_user(limited, log_in):
    limited.REST_FRAMEWORK = {**limited.REST_FRAMEWORK, "NUM_PROXIES": 1}
    for _ in range(5):
        assert log_in(client=Client(headers={"X-Forwarded-For": "unknown"})).status_code == 200
    assert log_in(right=True, client=Client(headers={"X-Forwarded-For": "unknown"})).status_code == 302
    assert log_in(right=True, client=Client(headers={"X-Forwarded-For": "203.0.113.9:1"})).status_code == 302


def test_viewing_the_form_and_a_form_without_its_csrf_token_are_not_counted(log_in):
    careful = Client(enforce_csrf_checks=True)
    for _ in range(4):
        assert Client().get("/admin/login/", REMOTE_ADDR="203.0.113.7").status_code == 200
        assert log_in(client=careful).status_code == 403
    assert log_in(right=True).status_code == 302


def test_without_redis_logging_in_is_a_503(log_in, valkey):
    valkey.stop()
    response = log_in(right=True)
    assert (response.status_code, limit_headers(response)) == (503, {"Retry-After": "5"})
    assert response.content == b"Logging in is not possible now. Try again in 5 seconds.\n"


# Settings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def configured(monkeypatch):
    """Return a function that loads the settings from an environment; afterwards the test run's own are restored."""

    def configure(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return importlib.reload(settings_module)

    yield configure
    monkeypatch.undo()
    importlib.reload(settings_module)


@pytest.mark.parametrize("rate", ["many", "600", "600/fortnight", "1/second; 20/minute"])
def test_an_invalid_rate_stops_the_start(configured, rate):
    with pytest.raises(ImproperlyConfigured) as refused:
        configured(RATE_LIMIT_PLAY=rate)
    expected = f"RATE_LIMIT_PLAY: {rate!r} is not one rate, such as 600/minute, or empty for no limit."
    assert str(refused.value) == expected


def test_the_scopes_read_their_rates_from_the_environment(configured):
    rates = configured(RATE_LIMIT_PLAY="30 per 10 second", RATE_LIMIT_GAMES="").RATE_LIMITS
    assert (rates["play"], rates["games"], rates["ingest"]) == ("30 per 10 second", "", "600/minute")
