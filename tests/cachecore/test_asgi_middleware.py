"""Answers before Django: what is served, what is passed on, and never an older answer than was promised."""

import asyncio
import gzip
import json

import msgspec
import pytest
from a2wsgi.wsgi import Body, build_environ
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from cachecore import versions
from cachecore.keys import registry
from cachecore.redis_client import connections
from cachecore.responses import caching, switches
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware
from cachecore.responses.cacheable_request import parse_cacheable_request
from cachecore.responses.caching import CACHE_CONTROL, ComputedResult, Policy, cached_response
from cachecore.responses.url_registry import MAX_URL_LENGTH
from cachecore.responses.version_watcher import VersionWatcher
from cachecore.storage import clear_times
from games.keys import GAMES
from tests.cachecore.asgi import send_request

POLICY = Policy(family=registry["games-list"], namespace=GAMES)


class Django:
    """Stands behind the door: answers by the real response cache, counts what reaches it."""

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


async def settled(door: ResponseCacheASGIMiddleware, version: int) -> None:
    """Wait until this process knows the version, as it does within 500 ms of its own accord."""
    async with asyncio.timeout(5):
        while door._watcher.current_version(GAMES) != version:
            await asyncio.sleep(0.01)


def run(scenario, django=None):
    """Run `scenario(door, django)` with the watcher of a live process."""

    async def go():
        behind = django or Django()
        door = ResponseCacheASGIMiddleware(behind, VersionWatcher([GAMES]))
        version = await asyncio.to_thread(versions.raise_version, GAMES)
        await door.start()
        await settled(door, version)
        try:
            return await scenario(door, behind)
        finally:
            await door.stop()

    return asyncio.run(go())


def test_the_second_request_does_not_reach_django():
    async def scenario(door, django):
        first, second, third = [await send_request(door, "/x/") for _ in range(3)]
        assert [answer.headers["x-cache"] for answer in (first, second, third)] == ["MISS", "HIT", "HIT"]
        assert {answer.body for answer in (first, second, third)} == {b'["x"]'}
        assert django.calls == 1

    run(scenario)


def test_a_hit_carries_the_headers_that_django_set():
    async def scenario(door, django):
        miss, hit = [await send_request(door, "/x/") for _ in range(2)]
        for name in ("content-type", "cache-control", "vary", "etag", "x-data-version", "x-frame-options"):
            assert hit.headers[name] == miss.headers[name]
        assert hit.headers["content-length"] == str(len(hit.body))
        assert hit.headers["age"] == "0"

    run(scenario, Django(extra_headers=[(b"x-frame-options", b"DENY")]))


def test_a_new_version_is_followed_by_a_new_answer():
    async def scenario(door, django):
        await send_request(door, "/x/")
        await send_request(door, "/x/")
        django.body = "new"
        await settled(door, await asyncio.to_thread(versions.raise_version, GAMES))
        answer = await send_request(door, "/x/")
        assert (answer.headers["x-cache"], answer.body) == ("MISS", b'["new"]')

    run(scenario)


def test_what_another_process_stored_is_found_in_one_redis_trip():
    async def scenario(door, django):
        await send_request(door, "/x/")
        other = ResponseCacheASGIMiddleware(django, door._watcher)  # another process: nothing in its memory
        other._cache = door._cache
        assert (await send_request(other, "/x/")).headers["x-cache"] == "HIT"
        assert django.calls == 1

    run(scenario)


def test_zones_queries_and_paths_are_answers_of_their_own():
    async def scenario(door, django):
        for _ in range(2):
            await send_request(door, "/x/")
            await send_request(door, "/y/")
            await send_request(door, "/x/", x_timezone="Europe/London")
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
def test_only_django_answers_what_may_differ_by_caller(headers):
    async def scenario(door, django):
        await send_request(door, "/x/")
        await send_request(door, "/x/", **headers)
        assert django.calls == 2

    run(scenario)


def test_an_answer_that_sets_a_cookie_is_never_served_to_another():
    async def scenario(door, django):
        for _ in range(3):
            await send_request(door, "/x/")
        assert django.calls == 3

    run(scenario, Django(extra_headers=[(b"set-cookie", b"sessionid=1")]))


def test_an_answer_for_one_origin_is_never_served_to_another():
    async def scenario(door, django):
        for _ in range(3):
            await send_request(door, "/x/", origin="https://a.example")
        assert django.calls == 3

    run(scenario, Django(extra_headers=[(b"access-control-allow-origin", b"https://a.example")]))


def test_an_origin_that_names_none_is_answered_as_without():
    async def scenario(door, django):
        for _ in range(2):
            answer = await send_request(door, "/x/", origin="")
        assert (answer.headers["x-cache"], "access-control-allow-origin" in answer.headers) == ("HIT", False)
        assert (await send_request(door, "/x/")).headers["x-cache"] == "HIT"
        assert django.calls == 1

    run(scenario)


def test_headers_of_a_refused_origin_are_not_kept_for_an_allowed_one():
    async def scenario(door, django):
        for _ in range(2):
            await send_request(door, "/x/", origin="https://stranger.example")
        assert django.calls == 2  # never learned: the next may be one that is allowed

    run(scenario)


def test_first_requests_for_a_url_wait_for_the_first_of_them():
    async def scenario(door, django):
        django.gate.clear()
        waiting = [asyncio.create_task(send_request(door, "/x/")) for _ in range(20)]
        async with asyncio.timeout(5):
            while not (door._under_way and len(next(iter(door._under_way.values()))._callbacks or ()) == 19):
                await asyncio.sleep(0)
        django.gate.set()
        answers = await asyncio.gather(*waiting)
        assert django.calls == 1
        assert {answer.body for answer in answers} == {b'["x"]'}

    run(scenario)


@pytest.mark.parametrize(
    ("accepts", "zipped"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0, identity", False), ("gzip; Q=0.0", False), ("xgzip", False)],
)
def test_gzip_is_for_those_who_weigh_it(accepts, zipped):
    async def scenario(door, django):
        for _ in range(2):
            answer = await send_request(
                door, "/x/", accept_encoding=accepts
            )  # a MISS of Django's, then a HIT of the door's
            assert ("content-encoding" in answer.headers) == zipped

    run(scenario, Django(body="y" * 5_000))


def test_large_answers_are_zipped_for_those_who_take_it():
    async def scenario(door, django):
        for _ in range(2):
            plain = await send_request(door, "/x/")
            zipped = await send_request(door, "/x/", accept_encoding="gzip, br")
        assert (zipped.headers["content-encoding"], gzip.decompress(zipped.body)) == ("gzip", plain.body)
        assert "content-encoding" not in plain.headers
        assert len(zipped.body) == int(zipped.headers["content-length"]) < len(plain.body)

    run(scenario, Django(body="y" * 5_000))


@pytest.mark.parametrize(
    ("header", "status"), [("{etag}", 304), ("*", 304), ('"other", {etag}', 304), ('"other"', 200)]
)
def test_an_unchanged_answer_is_a_304(header, status):
    async def scenario(door, django):
        await send_request(door, "/x/")
        etag = (await send_request(door, "/x/")).headers["etag"]
        answer = await send_request(door, "/x/", if_none_match=header.format(etag=etag))
        assert answer.status == status
        assert (answer.body == b"") == (status == 304)
        assert answer.headers["etag"] == etag

    run(scenario)


def test_a_url_first_asked_with_its_etag_is_served_from_then_on():
    """As after a restart, when every browser still has the answer."""

    async def scenario(door, django):
        etag = (await send_request(door, "/x/")).headers["etag"]
        caching.cached_urls.clear()  # another process
        assert (await send_request(door, "/x/", if_none_match=etag)).status == 304
        hit = await send_request(door, "/x/")
        assert (hit.status, hit.body, hit.headers["content-type"]) == (200, b'["x"]', "application/json")
        assert django.calls == 2

    run(scenario)


def test_head_has_the_headers_and_no_body():
    async def scenario(door, django):
        await send_request(door, "/x/")
        get, head = await send_request(door, "/x/"), await send_request(door, "/x/", method="HEAD")
        assert head.body == b""
        assert head.headers["content-length"] == get.headers["content-length"]

    run(scenario)


def test_requests_that_miss_together_wait_for_the_first():
    async def scenario(door, django):
        await send_request(door, "/x/")
        await settled(door, await asyncio.to_thread(versions.raise_version, GAMES))
        django.calls = 0
        django.gate.clear()
        waiting = [asyncio.create_task(send_request(door, "/x/")) for _ in range(50)]
        async with asyncio.timeout(5):
            while not (door._under_way and len(next(iter(door._under_way.values()))._callbacks or ()) == 49):
                await asyncio.sleep(0)
        django.gate.set()
        answers = await asyncio.gather(*waiting)
        assert django.calls == 1
        assert sorted(answer.headers["x-cache"] for answer in answers) == ["HIT"] * 49 + ["MISS"]

    run(scenario)


def test_a_failing_leader_does_not_take_its_followers_down():
    async def scenario(door, django):
        await send_request(door, "/x/")
        await settled(door, await asyncio.to_thread(versions.raise_version, GAMES))
        responding, django_call = asyncio.Event(), door._app

        async def failing_once(scope, receive, send):
            if not responding.is_set():
                responding.set()
                async with asyncio.timeout(5):
                    while not next(iter(door._under_way.values()))._callbacks:  # until the follower waits
                        await asyncio.sleep(0)
                raise RuntimeError
            await django_call(scope, receive, send)

        door._app = failing_once
        leader = asyncio.create_task(send_request(door, "/x/"))
        await responding.wait()
        follower = await send_request(door, "/x/")
        assert json.loads(follower.body) == ["x"]
        with pytest.raises(RuntimeError):
            await leader

    run(scenario)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_memory_is_trusted_for_a_second_and_then_django_answers(valkey, fault):
    async def scenario(door, django):
        await send_request(door, "/x/")
        await send_request(door, "/x/")
        getattr(valkey, fault)()
        async with asyncio.timeout(5):
            while (answer := await send_request(door, "/x/")).headers["x-cache"] == "HIT":
                await asyncio.sleep(0.01)
        assert answer.headers["x-cache"] == "BYPASS"
        assert answer.body == b'["x"]'

    run(scenario)


def test_an_answer_is_not_served_past_its_time():
    async def scenario(door, django):
        await send_request(door, "/x/")
        await send_request(door, "/x/")
        (url,) = caching.cached_urls
        prepared, replace = door._l1[url], msgspec.structs.replace
        door._l1[url] = replace(prepared, stored=replace(prepared.stored, expires_at_ms=1))
        with connections.guarded_client("cache") as client:
            client.flushall()
        assert (await send_request(door, "/x/")).headers["x-cache"] != "HIT"

    run(scenario)


# What a hostile caller may try ------------------------------------------------------------------------------------

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("accept", [BROWSER, "application/JSON; charset=utf-8", "text/html, application/*;q=0.1"])
def test_json_is_served_to_whom_it_is_named(accept):
    async def scenario(door, django):
        for _ in range(2):
            await send_request(door, "/x/", accept=accept)
        assert django.calls == 1

    run(scenario)


def test_what_a_proxy_said_is_read_as_django_reads_it():
    """Django takes `https,http` for https: its headers (HSTS, no redirect) are not for who came without TLS."""

    async def scenario(door, django):
        django.extra_headers = [(b"strict-transport-security", b"max-age=1")]
        await send_request(door, "/x/", x_forwarded_proto="https,http")
        django.extra_headers = []
        answers = [await send_request(door, "/x/") for _ in range(2)]
        assert not [one for one in answers if "strict-transport-security" in one.headers]
        assert [one.headers["x-cache"] for one in answers] == ["HIT", "HIT"]  # inside Django, then in front of it
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
def test_the_front_door_and_django_read_the_same_url_from_a_request(headers):
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


def test_a_host_sent_twice_is_for_django_to_refuse():
    headers = [(b"host", b"evil.example"), (b"host", b"testserver")]
    scope = {"type": "http", "method": "GET", "path": "/x/", "query_string": b"", "headers": headers}
    assert parse_cacheable_request(scope) is None


def test_an_answer_that_was_not_kept_leaves_no_header_behind():
    async def scenario(door, django):
        await send_request(door, "/x/", authorization="Token x")  # known from now on, its headers not yet
        with connections.guarded_client("state") as client:
            version = client.getdel(GAMES.key)
            bypass = await send_request(door, "/x/")
            client.set(GAMES.key, version)
        assert (bypass.headers["x-cache"], bypass.headers["cache-control"]) == ("BYPASS", "no-cache")
        await settled(door, int(version))
        answers = [await send_request(door, "/x/") for _ in range(3)]
        assert [one.headers["cache-control"] for one in answers] == [CACHE_CONTROL] * 3
        assert answers[-1].headers["x-cache"] == "HIT"

    run(scenario)


def test_a_client_that_is_slow_to_take_its_answer_keeps_nobody_waiting():
    async def scenario(door, django):
        reading = asyncio.Event()

        async def slowly(scope, receive, send):
            async def slow(message):
                if message["type"] == "http.response.body":
                    await reading.wait()
                await send(message)

            await door(scope, receive, slow)

        django.gate.clear()
        slow = asyncio.create_task(send_request(slowly, "/x/"))
        async with asyncio.timeout(5):
            while not door._under_way:
                await asyncio.sleep(0)
            quick = asyncio.create_task(send_request(door, "/x/"))
            while not next(iter(door._under_way.values()))._callbacks:  # until the quick one waits
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


def test_an_answer_that_holds_for_no_time_is_nobody_elses():
    """As of a page that is not whole: what is missing may be there for the next caller."""

    async def scenario(door, django):
        answers = [await send_request(door, "/x/") for _ in range(3)]
        assert {one.headers["cache-control"] for one in answers} == {"no-cache"}
        assert {one.headers["x-cache"] for one in answers} == {"BYPASS"}
        assert (django.calls, len(caching.cached_urls)) == (3, 0)

    run(scenario, Django(fresh_ms=0))


def test_long_urls_take_no_memory():
    async def scenario(door, django):
        query = "a=" + "x" * MAX_URL_LENGTH
        assert [(await send_request(door, "/x/", query)).status for _ in range(2)] == [200, 200]
        assert (django.calls, len(caching.cached_urls), len(door._not_kept)) == (2, 0, 0)

    run(scenario)


def test_head_first_and_then_get():
    async def scenario(door, django):
        assert (await send_request(door, "/x/", method="HEAD")).status == 200
        assert (await send_request(door, "/x/")).body == b'["x"]'
        assert django.calls == 1

    run(scenario)


def test_a_range_is_answered_whole():
    async def scenario(door, django):
        answers = [await send_request(door, "/x/", range="bytes=0-1", if_range='"x"') for _ in range(2)]
        assert [(one.status, one.body) for one in answers] == [(200, b'["x"]')] * 2

    run(scenario)


@pytest.mark.parametrize(
    "if_none_match",
    ['W/"0", {etag}', "{etag},{etag}", '"{plain}"', " * ", 'W/"a,b",{etag}'],
)
def test_etags_are_compared_weakly_in_lists(if_none_match):
    async def scenario(door, django):
        miss = await send_request(door, "/x/")
        etag = miss.headers["etag"]
        told = if_none_match.format(etag=etag, plain=etag.removeprefix('W/"').removesuffix('"'))
        answer = await send_request(door, "/x/", if_none_match=told)
        assert (answer.status, answer.body) == (304, b"")
        assert {name: answer.headers[name] for name in ("cache-control", "etag", "vary")} == {
            name: miss.headers[name] for name in ("cache-control", "etag", "vary")
        }

    run(scenario)


@pytest.mark.parametrize("if_none_match", ['"', "W/", '"other', "{plain}", '"{plain}x"', "w/" + '"{plain}"' * 0, ""])
def test_what_is_no_etag_matches_nothing(if_none_match):
    async def scenario(door, django):
        etag = (await send_request(door, "/x/")).headers["etag"]
        told = if_none_match.format(plain=etag.removeprefix('W/"').removesuffix('"'))
        assert (await send_request(door, "/x/", if_none_match=told)).status == 200

    run(scenario)


@pytest.fixture
def _all_on():
    yield
    switches.set_switched_off(set())


@pytest.mark.usefixtures("_all_on")
def test_what_another_process_switches_off_is_served_no_longer_than_a_look():
    async def scenario(door, django):
        for _ in range(2):
            await send_request(door, "/x/")
        with connections.guarded_client("state") as client:
            client.sadd(switches.SWITCHED_OFF.key(), POLICY.family.name)
        async with asyncio.timeout(5):
            while POLICY.family.name not in switches.switched_off():
                await asyncio.sleep(0.01)
        django.body = "new"
        off = await send_request(door, "/x/")
        assert (off.headers["x-cache"], off.body, off.headers["cache-control"]) == ("BYPASS", b'["new"]', "no-cache")
        with connections.guarded_client("state") as client:
            client.srem(switches.SWITCHED_OFF.key(), POLICY.family.name)
        async with asyncio.timeout(5):
            while POLICY.family.name in switches.switched_off():
                await asyncio.sleep(0.01)
        assert (await send_request(door, "/x/")).headers["cache-control"] == CACHE_CONTROL

    run(scenario)


def test_what_another_release_stored_is_computed_again():
    async def scenario(door, django):
        await send_request(door, "/x/")
        with connections.guarded_client("cache") as client:
            (key,) = client.keys("games:list:*")
            client.set(key, b"\xc1\x01another release's shape")
        answer = await send_request(door, "/x/")
        assert (answer.status, answer.headers["x-cache"], django.calls) == (200, "MISS", 2)

    run(scenario)


def test_what_was_cleared_by_hand_is_served_no_longer_than_a_look():
    """No version tells of it, and the memory of another process hangs on versions only."""

    async def scenario(door, django):
        for _ in range(3):
            await send_request(door, "/x/")
        assert django.calls == 1
        with connections.guarded_client("cache") as client:
            client.delete(*client.keys("games:list:*"))
        clear_times.record(POLICY.family)
        django.body = "mended"
        async with asyncio.timeout(5):
            while not door._watcher.cleared_ms(POLICY.family.name):
                await asyncio.sleep(0.01)
        assert [(await send_request(door, "/x/")).body for _ in range(3)] == [b'["mended"]'] * 3
        assert django.calls == 2

    run(scenario)
