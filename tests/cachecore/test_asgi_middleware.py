"""The ASGI middleware: what it serves, what it passes on to Django, and how old a response may be."""

import asyncio
import gzip
import json

import msgspec
import pytest
from a2wsgi.wsgi import Body, build_environ
from django.core.handlers.wsgi import WSGIRequest
from django.core.management import call_command
from django.test import RequestFactory

from cachecore import versions
from cachecore.keys import registry
from cachecore.redis_client import connections
from cachecore.responses import cacheable_request, caching, encoding, switches
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware
from cachecore.responses.cacheable_request import MAX_HEADER_BYTES, parse_cacheable_request
from cachecore.responses.caching import CACHE_CONTROL, ComputedResult, Policy, cached_response
from cachecore.responses.url_registry import MAX_URL_LENGTH
from cachecore.responses.version_watcher import VersionWatcher
from cachecore.service import cache
from cachecore.storage import clear_times, clearing
from games.keys import GAMES
from tests.cachecore.asgi import send_request

CACHED_FUNCTIONS = [cacheable_request._wants_json, cacheable_request._host_allowed, encoding.takes_gzip_cached]

POLICY = Policy(family=registry["games-list"], namespace=GAMES)


class Django:
    """The application behind the middleware: uses the real response cache and counts its requests."""

    def __init__(self, body="x", extra_headers=(), fresh_ms=None):
        self.calls = 0
        self.body = body
        self.fresh_ms = fresh_ms
        self.extra_headers = list(extra_headers)
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, scope, receive, send):
        self.calls += 1
        await self.gate.wait()
        request = RequestFactory().get(
            scope["path"],
            QUERY_STRING=scope["query_string"].decode(),
            headers={name.decode(): value.decode() for name, value in scope["headers"]},
        )
        parameters = [("path", scope["path"].strip("/")), ("tz", request.headers.get("X-Timezone", "UTC"))]
        computed = ComputedResult([self.body], self.fresh_ms)
        response = await asyncio.to_thread(cached_response, request, POLICY, parameters, lambda: computed)
        headers = [(n.lower().encode(), v.encode()) for n, v in response.headers.items()] + self.extra_headers
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.content})


async def until_current(middleware: ResponseCacheASGIMiddleware, version: int) -> None:
    """Wait until the watcher has read the version, at most 500 ms."""
    async with asyncio.timeout(5):
        while middleware._watcher.current_version(GAMES) != version:
            await asyncio.sleep(0.01)


def waiting_requests(middleware: ResponseCacheASGIMiddleware) -> int:
    """Return the number of requests that wait for the one that Django is answering."""
    (in_progress,) = middleware._in_progress.values() or [None]
    return len(in_progress._callbacks or ()) if in_progress is not None else 0


def run(scenario, django=None):
    """Run `scenario(middleware, django)` with a running watcher."""

    async def go():
        behind = django or Django()
        middleware = ResponseCacheASGIMiddleware(behind, VersionWatcher([GAMES]))
        version = await asyncio.to_thread(versions.raise_version, GAMES)
        await middleware.start()
        await until_current(middleware, version)
        try:
            return await scenario(middleware, behind)
        finally:
            await middleware.stop()

    return asyncio.run(go())


def test_the_second_request_does_not_reach_django():
    async def scenario(middleware, django):
        first, second, third = [await send_request(middleware, "/x/") for _ in range(3)]
        assert [response.headers["x-cache"] for response in (first, second, third)] == ["MISS", "HIT", "HIT"]
        assert {response.body for response in (first, second, third)} == {b'["x"]'}
        assert django.calls == 1

    run(scenario)


def test_a_hit_carries_the_headers_that_django_set():
    async def scenario(middleware, django):
        miss, hit = [await send_request(middleware, "/x/") for _ in range(2)]
        for name in ("content-type", "cache-control", "vary", "etag", "x-data-version", "x-frame-options"):
            assert hit.headers[name] == miss.headers[name]
        assert hit.headers["content-length"] == str(len(hit.body))
        assert hit.headers["age"] == "0"

    run(scenario, Django(extra_headers=[(b"x-frame-options", b"DENY")]))


def test_a_new_version_leads_to_a_new_response():
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        await send_request(middleware, "/x/")
        django.body = "new"
        await until_current(middleware, await asyncio.to_thread(versions.raise_version, GAMES))
        response = await send_request(middleware, "/x/")
        assert (response.headers["x-cache"], response.body) == ("MISS", b'["new"]')

    run(scenario)


def test_a_response_stored_by_another_process_is_served_from_redis():
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        other = ResponseCacheASGIMiddleware(django, middleware._watcher)  # as another process, with an empty L1
        other._cache = middleware._cache
        assert (await send_request(other, "/x/")).headers["x-cache"] == "HIT"
        assert django.calls == 1

    run(scenario)


def test_zones_queries_and_paths_have_responses_of_their_own():
    async def scenario(middleware, django):
        for _ in range(2):
            await send_request(middleware, "/x/")
            await send_request(middleware, "/y/")
            await send_request(middleware, "/x/", x_timezone="Europe/London")
        assert django.calls == 3

    run(scenario)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Token x"},
        {"accept": "text/html"},
        {"accept": "application/json-seq, application/jsonlines"},
        {"method": "POST"},
        {"host": "evil.example"},
        {"if_match": '"another"'},
        {"if_unmodified_since": "Sat, 29 Oct 1994 19:43:31 GMT"},
        {"x_forwarded_proto": "https,http"},
        {"x_forwarded_proto": "HTTPS"},
    ],
    ids=str,
)
def test_requests_whose_response_may_differ_by_caller_reach_django(headers):
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        await send_request(middleware, "/x/", **headers)
        assert django.calls == 2

    run(scenario)


def test_a_response_that_sets_a_cookie_is_never_served_to_another_client():
    async def scenario(middleware, django):
        for _ in range(3):
            await send_request(middleware, "/x/")
        assert django.calls == 3

    run(scenario, Django(extra_headers=[(b"set-cookie", b"sessionid=1")]))


def test_a_response_for_one_origin_is_never_served_to_another():
    async def scenario(middleware, django):
        for _ in range(3):
            await send_request(middleware, "/x/", origin="https://a.example")
        assert django.calls == 3

    run(scenario, Django(extra_headers=[(b"access-control-allow-origin", b"https://a.example")]))


def test_an_empty_origin_is_treated_as_none():
    async def scenario(middleware, django):
        for _ in range(2):
            response = await send_request(middleware, "/x/", origin="")
        assert (response.headers["x-cache"], "access-control-allow-origin" in response.headers) == ("HIT", False)
        assert (await send_request(middleware, "/x/")).headers["x-cache"] == "HIT"
        assert django.calls == 1

    run(scenario)


def test_headers_for_a_refused_origin_are_not_reused_for_an_allowed_one():
    async def scenario(middleware, django):
        for _ in range(2):
            await send_request(middleware, "/x/", origin="https://foreign.example")
        assert django.calls == 2  # not reused: the next origin may be an allowed one

    run(scenario)


def test_concurrent_first_requests_for_a_url_wait_for_one_of_them():
    async def scenario(middleware, django):
        django.gate.clear()
        waiting = [asyncio.create_task(send_request(middleware, "/x/")) for _ in range(20)]
        async with asyncio.timeout(5):
            while not (
                middleware._in_progress and len(next(iter(middleware._in_progress.values()))._callbacks or ()) == 19
            ):
                await asyncio.sleep(0)
        django.gate.set()
        responses = await asyncio.gather(*waiting)
        assert django.calls == 1
        assert {response.body for response in responses} == {b'["x"]'}

    run(scenario)


@pytest.mark.parametrize(
    ("accepts", "zipped"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0, identity", False), ("gzip; Q=0.0", False), ("xgzip", False)],
)
def test_gzip_is_sent_if_its_weight_is_above_zero(accepts, zipped):
    async def scenario(middleware, django):
        for _ in range(2):
            response = await send_request(middleware, "/x/", accept_encoding=accepts)  # MISS, then HIT
            assert ("content-encoding" in response.headers) == zipped

    run(scenario, Django(body="y" * 5_000))


def test_large_responses_are_compressed_for_clients_that_accept_it():
    async def scenario(middleware, django):
        for _ in range(2):
            plain = await send_request(middleware, "/x/")
            zipped = await send_request(middleware, "/x/", accept_encoding="gzip, br")
        assert (zipped.headers["content-encoding"], gzip.decompress(zipped.body)) == ("gzip", plain.body)
        assert "content-encoding" not in plain.headers
        assert len(zipped.body) == int(zipped.headers["content-length"]) < len(plain.body)

    run(scenario, Django(body="y" * 5_000))


@pytest.mark.parametrize(
    ("header", "status"), [("{etag}", 304), ("*", 304), ('"other", {etag}', 304), ('"other"', 200)]
)
def test_an_unchanged_response_is_a_304(header, status):
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        etag = (await send_request(middleware, "/x/")).headers["etag"]
        response = await send_request(middleware, "/x/", if_none_match=header.format(etag=etag))
        assert response.status == status
        assert (response.body == b"") == (status == 304)
        assert response.headers["etag"] == etag

    run(scenario)


def test_a_url_first_requested_with_its_etag_is_served_from_then_on():
    """After a restart browsers still have the response and send its ETag."""

    async def scenario(middleware, django):
        etag = (await send_request(middleware, "/x/")).headers["etag"]
        caching.cached_urls.clear()  # another process
        assert (await send_request(middleware, "/x/", if_none_match=etag)).status == 304
        hit = await send_request(middleware, "/x/")
        assert (hit.status, hit.body, hit.headers["content-type"]) == (200, b'["x"]', "application/json")
        assert django.calls == 2

    run(scenario)


def test_head_has_the_headers_and_no_body():
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        get, head = await send_request(middleware, "/x/"), await send_request(middleware, "/x/", method="HEAD")
        assert head.body == b""
        assert head.headers["content-length"] == get.headers["content-length"]

    run(scenario)


def test_concurrent_misses_wait_for_the_first():
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        await until_current(middleware, await asyncio.to_thread(versions.raise_version, GAMES))
        django.calls = 0
        django.gate.clear()
        waiting = [asyncio.create_task(send_request(middleware, "/x/")) for _ in range(50)]
        async with asyncio.timeout(5):
            while not (
                middleware._in_progress and len(next(iter(middleware._in_progress.values()))._callbacks or ()) == 49
            ):
                await asyncio.sleep(0)
        django.gate.set()
        responses = await asyncio.gather(*waiting)
        assert django.calls == 1
        assert sorted(response.headers["x-cache"] for response in responses) == ["HIT"] * 49 + ["MISS"]

    run(scenario)


def test_a_failing_first_request_does_not_fail_the_waiting_ones():
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        await until_current(middleware, await asyncio.to_thread(versions.raise_version, GAMES))
        responding, django_call = asyncio.Event(), middleware._app

        async def failing_once(scope, receive, send):
            if not responding.is_set():
                responding.set()
                async with asyncio.timeout(5):
                    while not waiting_requests(middleware):  # until the second request waits
                        await asyncio.sleep(0)
                raise RuntimeError
            await django_call(scope, receive, send)

        middleware._app = failing_once
        first = asyncio.create_task(send_request(middleware, "/x/"))
        await responding.wait()
        second = await send_request(middleware, "/x/")
        assert json.loads(second.body) == ["x"]
        with pytest.raises(RuntimeError):
            await first

    run(scenario)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_local_responses_are_served_for_a_second_and_then_django_answers(valkey, fault):
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        await send_request(middleware, "/x/")
        getattr(valkey, fault)()
        async with asyncio.timeout(5):
            while (response := await send_request(middleware, "/x/")).headers["x-cache"] == "HIT":
                await asyncio.sleep(0.01)
        assert response.headers["x-cache"] == "BYPASS"
        assert response.body == b'["x"]'

    run(scenario)


def test_a_response_is_not_served_past_its_expiry():
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        await send_request(middleware, "/x/")
        (url,) = caching.cached_urls
        prepared, replace = middleware._l1[url], msgspec.structs.replace
        middleware._l1[url] = replace(prepared, stored=replace(prepared.stored, expires_at_ms=1))
        with connections.guarded_client("cache") as client:
            client.flushall()
        assert (await send_request(middleware, "/x/")).headers["x-cache"] != "HIT"

    run(scenario)


# Hostile and unusual requests ------------------------------------------------------------------------------------

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("accept", [BROWSER, "application/JSON; charset=utf-8", "text/html, application/*;q=0.1"])
def test_hits_are_served_to_clients_that_accept_json(accept):
    async def scenario(middleware, django):
        for _ in range(2):
            await send_request(middleware, "/x/", accept=accept)
        assert django.calls == 1

    run(scenario)


def test_forwarded_proto_is_read_as_django_reads_it():
    """Django takes `https,http` for https; its headers (HSTS, no redirect) must not reach a client without TLS."""

    async def scenario(middleware, django):
        django.extra_headers = [(b"strict-transport-security", b"max-age=1")]
        await send_request(middleware, "/x/", x_forwarded_proto="https,http")
        django.extra_headers = []
        responses = [await send_request(middleware, "/x/") for _ in range(2)]
        assert not [one for one in responses if "strict-transport-security" in one.headers]
        assert [one.headers["x-cache"] for one in responses] == ["HIT", "HIT"]  # from Django, then from the middleware
        assert django.calls == 2

    run(scenario)


TWICE = [
    [(b"x-timezone", b"Europe/London"), (b"x-timezone", b"Asia/Tokyo")],
    [(b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"http")],
    [(b"origin", b""), (b"x-timezone", b"\xff")],
    [(b"x-timezone", b"")],
    [(b"x_timezone", b"Asia/Tokyo"), (b"cookie", b"a=1"), (b"cookie", b"b=2")],
]


@pytest.mark.parametrize("headers", TWICE, ids=str)
def test_the_middleware_and_django_build_the_same_url_from_a_request(headers):
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x/",
        "query_string": b"a=%FF&a=1&&b",
        "headers": [(b"host", b"testserver"), *headers],
        "http_version": "1.1",
    }
    forwarded = {
        **scope,
        "headers": [one for one in scope["headers"] if b"_" not in one[0]],
    }  # RequestGuard
    request = WSGIRequest(build_environ(forwarded, Body(None, None)))
    assert parse_cacheable_request(scope).url == caching._url(request)


def test_a_repeated_host_header_is_left_to_django():
    headers = [(b"host", b"evil.example"), (b"host", b"testserver")]
    scope = {"type": "http", "method": "GET", "path": "/x/", "query_string": b"", "headers": headers}
    assert parse_cacheable_request(scope) is None


def test_headers_of_a_response_that_was_not_stored_are_not_reused():
    async def scenario(middleware, django):
        await send_request(middleware, "/x/", authorization="Token x")  # registers the URL, without its headers
        with connections.guarded_client("state") as client:
            version = client.getdel(GAMES.key)
            bypass = await send_request(middleware, "/x/")
            client.set(GAMES.key, version)
        assert (bypass.headers["x-cache"], bypass.headers["cache-control"]) == ("BYPASS", "no-cache")
        await until_current(middleware, int(version))
        responses = [await send_request(middleware, "/x/") for _ in range(3)]
        assert [one.headers["cache-control"] for one in responses] == [CACHE_CONTROL] * 3
        assert responses[-1].headers["x-cache"] == "HIT"

    run(scenario)


def test_a_slow_client_does_not_delay_the_waiting_requests():
    async def scenario(middleware, django):
        reading = asyncio.Event()

        async def slowly(scope, receive, send):
            async def slow(message):
                if message["type"] == "http.response.body":
                    await reading.wait()
                await send(message)

            await middleware(scope, receive, slow)

        django.gate.clear()
        slow = asyncio.create_task(send_request(slowly, "/x/"))
        async with asyncio.timeout(5):
            while not middleware._in_progress:
                await asyncio.sleep(0)
            quick = asyncio.create_task(send_request(middleware, "/x/"))
            while not waiting_requests(middleware):  # until the quick request waits
                await asyncio.sleep(0)
        django.gate.set()
        try:
            async with asyncio.timeout(5):
                assert (await quick).headers["x-cache"] == "HIT"
            assert (django.calls, slow.done()) == (1, False)
        finally:
            reading.set()
            await slow

    run(scenario)


def test_a_response_with_no_lifetime_is_not_shared():
    """An incomplete page has none: the missing part may be available to the next caller."""

    async def scenario(middleware, django):
        responses = [await send_request(middleware, "/x/") for _ in range(3)]
        assert {one.headers["cache-control"] for one in responses} == {"no-cache"}
        assert {one.headers["x-cache"] for one in responses} == {"BYPASS"}
        assert (django.calls, len(caching.cached_urls)) == (3, 0)

    run(scenario, Django(fresh_ms=0))


def test_long_urls_take_no_memory():
    async def scenario(middleware, django):
        query = "a=" + "x" * MAX_URL_LENGTH
        assert [(await send_request(middleware, "/x/", query)).status for _ in range(2)] == [200, 200]
        assert (django.calls, len(caching.cached_urls), len(middleware._uncacheable)) == (2, 0, 0)

    run(scenario)


@pytest.mark.parametrize("name", ["accept", "accept_encoding", "host"])
def test_long_headers_take_no_memory(name):
    """Class: what a client chooses is kept up to a fixed number of bytes only."""

    async def scenario(middleware, django):
        for function in CACHED_FUNCTIONS:
            function.cache_clear()
        for number in range(2):
            await send_request(middleware, "/x/", **{name: f"gzip, */*, {number}" + "x" * MAX_HEADER_BYTES})
        assert django.calls == 2
        assert [function.cache_info().currsize for function in CACHED_FUNCTIONS] == [0, 0, 0]

    run(scenario)


def test_head_first_and_then_get():
    async def scenario(middleware, django):
        assert (await send_request(middleware, "/x/", method="HEAD")).status == 200
        assert (await send_request(middleware, "/x/")).body == b'["x"]'
        assert django.calls == 1

    run(scenario)


def test_a_range_request_gets_the_whole_response():
    async def scenario(middleware, django):
        responses = [await send_request(middleware, "/x/", range="bytes=0-1", if_range='"x"') for _ in range(2)]
        assert [(one.status, one.body) for one in responses] == [(200, b'["x"]')] * 2

    run(scenario)


@pytest.mark.parametrize(
    "if_none_match",
    ['W/"0", {etag}', "{etag},{etag}", '"{plain}"', " * ", 'W/"a,b",{etag}'],
)
def test_etags_are_compared_weakly_in_lists(if_none_match):
    async def scenario(middleware, django):
        miss = await send_request(middleware, "/x/")
        etag = miss.headers["etag"]
        sent = if_none_match.format(etag=etag, plain=etag.removeprefix('W/"').removesuffix('"'))
        response = await send_request(middleware, "/x/", if_none_match=sent)
        assert (response.status, response.body) == (304, b"")
        assert {name: response.headers[name] for name in ("cache-control", "etag", "vary")} == {
            name: miss.headers[name] for name in ("cache-control", "etag", "vary")
        }

    run(scenario)


@pytest.mark.parametrize("if_none_match", ['"', "W/", '"other', "{plain}", '"{plain}x"', "w/" + '"{plain}"' * 0, ""])
def test_an_invalid_etag_matches_nothing(if_none_match):
    async def scenario(middleware, django):
        etag = (await send_request(middleware, "/x/")).headers["etag"]
        sent = if_none_match.format(plain=etag.removeprefix('W/"').removesuffix('"'))
        assert (await send_request(middleware, "/x/", if_none_match=sent)).status == 200

    run(scenario)


@pytest.fixture
def _all_switched_on():
    yield
    switches.set_switched_off(set())


@pytest.mark.usefixtures("_all_switched_on")
def test_a_family_switched_off_elsewhere_is_served_until_the_next_read_at_most():
    async def scenario(middleware, django):
        for _ in range(2):
            await send_request(middleware, "/x/")
        with connections.guarded_client("state") as client:
            client.sadd(switches.SWITCHED_OFF.key(), POLICY.family.name)
        async with asyncio.timeout(5):
            while POLICY.family.name not in switches.switched_off():
                await asyncio.sleep(0.01)
        django.body = "new"
        off = await send_request(middleware, "/x/")
        assert (off.headers["x-cache"], off.body, off.headers["cache-control"]) == ("BYPASS", b'["new"]', "no-cache")
        with connections.guarded_client("state") as client:
            client.srem(switches.SWITCHED_OFF.key(), POLICY.family.name)
        async with asyncio.timeout(5):
            while POLICY.family.name in switches.switched_off():
                await asyncio.sleep(0.01)
        assert (await send_request(middleware, "/x/")).headers["cache-control"] == CACHE_CONTROL

    run(scenario)


def test_a_value_of_another_releases_format_is_computed_again():
    async def scenario(middleware, django):
        await send_request(middleware, "/x/")
        with connections.guarded_client("cache") as client:
            (key,) = client.keys("games:list:*")
            client.set(key, b"\xc1\x01another release's shape")
        response = await send_request(middleware, "/x/")
        assert (response.status, response.headers["x-cache"], django.calls) == (200, "MISS", 2)

    run(scenario)


CLEARS = {
    "family": lambda: cache.clear(POLICY.family),
    "prefix": lambda: cache.clear(POLICY.family.prefix + "path:"),
    "all": lambda: cache.clear(),
    "operators": lambda: clearing.clear_family(POLICY.family),
    "command": lambda: call_command("clear_cache", "--family", POLICY.family.name),
    "queued": lambda: clearing.clear_everything(),
}


@pytest.mark.parametrize("how", CLEARS)
def test_every_way_of_clearing_reaches_the_responses_in_memory(how):
    async def scenario(middleware, django):
        for _ in range(3):
            await send_request(middleware, "/x/")
        await asyncio.to_thread(CLEARS[how])
        django.body = "recomputed"
        async with asyncio.timeout(5):
            while not middleware._watcher.cleared_ms(POLICY.family.name):
                await asyncio.sleep(0.01)
        assert (await send_request(middleware, "/x/")).body == b'["recomputed"]'
        assert django.calls == 2

    run(scenario)


def test_clearing_another_family_leaves_the_responses_in_memory():
    clearing.clear_prefix("another-family:")
    with connections.guarded_client("state") as client:
        assert not client.exists(clear_times.CLEARED.key())


def test_a_family_cleared_elsewhere_is_served_until_the_next_read_at_most():
    """Clearing raises no version, on which alone another process's local responses depend."""

    async def scenario(middleware, django):
        for _ in range(3):
            await send_request(middleware, "/x/")
        assert django.calls == 1
        with connections.guarded_client("cache") as client:
            client.delete(*client.keys("games:list:*"))
        clear_times.record(POLICY.family)
        django.body = "recomputed"
        async with asyncio.timeout(5):
            while not middleware._watcher.cleared_ms(POLICY.family.name):
                await asyncio.sleep(0.01)
        assert [(await send_request(middleware, "/x/")).body for _ in range(3)] == [b'["recomputed"]'] * 3
        assert django.calls == 2

    run(scenario)
