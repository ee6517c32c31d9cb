"""Answers before Django: what is served, what is passed on, and never an older answer than was promised."""

import asyncio
import gzip
import json

import msgspec
import pytest
from django.test import RequestFactory

from cachecore import connections, responses, versions
from cachecore.frontdoor import CachedAnswers
from cachecore.keys import registry
from cachecore.responses import Computed, Policy, cached
from cachecore.watcher import VersionWatcher
from games.keys import GAMES
from tests.cachecore.asgi import ask

POLICY = Policy(family=registry["games-list"], namespace=GAMES)


class Django:
    """Stands behind the door: answers by the real response cache, counts what reaches it."""

    def __init__(self, body="x", extra_headers=()):
        self.calls = 0
        self.body = body
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
        response = await asyncio.to_thread(cached, request, POLICY, parameters, lambda: Computed([self.body]))
        headers = [(n.lower().encode(), v.encode()) for n, v in response.headers.items()] + self.extra_headers
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.content})


async def settled(door: CachedAnswers, version: int) -> None:
    """Wait until this process knows the version, as it does within 500 ms of its own accord."""
    async with asyncio.timeout(5):
        while door._watcher.verified(GAMES) != version:
            await asyncio.sleep(0.01)


def run(scenario, django=None):
    """Run `scenario(door, django)` with the watcher of a live process."""

    async def go():
        behind = django or Django()
        door = CachedAnswers(behind, VersionWatcher([GAMES]))
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
        first, second, third = [await ask(door, "/x/") for _ in range(3)]
        assert [answer.headers["x-cache"] for answer in (first, second, third)] == ["MISS", "HIT", "HIT"]
        assert {answer.body for answer in (first, second, third)} == {b'["x"]'}
        assert django.calls == 1

    run(scenario)


def test_a_hit_carries_the_headers_that_django_set():
    async def scenario(door, django):
        miss, hit = [await ask(door, "/x/") for _ in range(2)]
        for name in ("content-type", "cache-control", "vary", "etag", "x-data-version", "x-frame-options"):
            assert hit.headers[name] == miss.headers[name]
        assert hit.headers["content-length"] == str(len(hit.body))
        assert hit.headers["age"] == "0"

    run(scenario, Django(extra_headers=[(b"x-frame-options", b"DENY")]))


def test_a_new_version_is_followed_by_a_new_answer():
    async def scenario(door, django):
        await ask(door, "/x/")
        await ask(door, "/x/")
        django.body = "new"
        await settled(door, await asyncio.to_thread(versions.raise_version, GAMES))
        answer = await ask(door, "/x/")
        assert (answer.headers["x-cache"], answer.body) == ("MISS", b'["new"]')

    run(scenario)


def test_what_another_process_stored_is_found_in_one_redis_trip():
    async def scenario(door, django):
        await ask(door, "/x/")
        other = CachedAnswers(django, door._watcher)  # another process: nothing in its memory
        other._cache = door._cache
        assert (await ask(other, "/x/")).headers["x-cache"] == "HIT"
        assert django.calls == 1

    run(scenario)


def test_zones_queries_and_paths_are_answers_of_their_own():
    async def scenario(door, django):
        for _ in range(2):
            await ask(door, "/x/")
            await ask(door, "/y/")
            await ask(door, "/x/", x_timezone="Europe/London")
        assert django.calls == 3

    run(scenario)


@pytest.mark.parametrize(
    "headers",
    [{"authorization": "Token x"}, {"accept": "text/html"}, {"method": "POST"}, {"host": "evil.example"}],
    ids=str,
)
def test_only_django_answers_what_may_differ_by_caller(headers):
    async def scenario(door, django):
        await ask(door, "/x/")
        await ask(door, "/x/", **headers)
        assert django.calls == 2

    run(scenario)


def test_an_answer_that_sets_a_cookie_is_never_served_to_another():
    async def scenario(door, django):
        for _ in range(3):
            await ask(door, "/x/")
        assert django.calls == 3

    run(scenario, Django(extra_headers=[(b"set-cookie", b"sessionid=1")]))


def test_an_answer_for_one_origin_is_never_served_to_another():
    async def scenario(door, django):
        for _ in range(3):
            await ask(door, "/x/", origin="https://a.example")
        assert django.calls == 3

    run(scenario, Django(extra_headers=[(b"access-control-allow-origin", b"https://a.example")]))


def test_headers_of_a_refused_origin_are_not_kept_for_an_allowed_one():
    async def scenario(door, django):
        for _ in range(2):
            await ask(door, "/x/", origin="https://stranger.example")
        assert django.calls == 2  # never learned: the next may be one that is allowed

    run(scenario)


def test_first_requests_for_a_url_wait_for_the_first_of_them():
    async def scenario(door, django):
        django.gate.clear()
        waiting = [asyncio.create_task(ask(door, "/x/")) for _ in range(20)]
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
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0, identity", False), ("gzip; q=0.0", False), ("xgzip", False)],
)
def test_gzip_is_for_those_who_weigh_it(accepts, zipped):
    async def scenario(door, django):
        for _ in range(2):
            answer = await ask(door, "/x/", accept_encoding=accepts)
        assert ("content-encoding" in answer.headers) == zipped

    run(scenario, Django(body="y" * 5_000))


def test_large_answers_are_zipped_for_those_who_take_it():
    async def scenario(door, django):
        for _ in range(2):
            plain = await ask(door, "/x/")
            zipped = await ask(door, "/x/", accept_encoding="gzip, br")
        assert (zipped.headers["content-encoding"], gzip.decompress(zipped.body)) == ("gzip", plain.body)
        assert "content-encoding" not in plain.headers
        assert len(zipped.body) == int(zipped.headers["content-length"]) < len(plain.body)

    run(scenario, Django(body="y" * 5_000))


@pytest.mark.parametrize(
    ("header", "status"), [("{etag}", 304), ("*", 304), ('"other", {etag}', 304), ('"other"', 200)]
)
def test_an_unchanged_answer_is_a_304(header, status):
    async def scenario(door, django):
        await ask(door, "/x/")
        etag = (await ask(door, "/x/")).headers["etag"]
        answer = await ask(door, "/x/", if_none_match=header.format(etag=etag))
        assert answer.status == status
        assert (answer.body == b"") == (status == 304)
        assert answer.headers["etag"] == etag

    run(scenario)


def test_a_url_first_asked_with_its_etag_is_served_from_then_on():
    """As after a restart, when every browser still has the answer."""

    async def scenario(door, django):
        etag = (await ask(door, "/x/")).headers["etag"]
        responses.known_urls.clear()  # another process
        assert (await ask(door, "/x/", if_none_match=etag)).status == 304
        hit = await ask(door, "/x/")
        assert (hit.status, hit.body, hit.headers["content-type"]) == (200, b'["x"]', "application/json")
        assert django.calls == 2

    run(scenario)


def test_head_has_the_headers_and_no_body():
    async def scenario(door, django):
        await ask(door, "/x/")
        get, head = await ask(door, "/x/"), await ask(door, "/x/", method="HEAD")
        assert head.body == b""
        assert head.headers["content-length"] == get.headers["content-length"]

    run(scenario)


def test_requests_that_miss_together_wait_for_the_first():
    async def scenario(door, django):
        await ask(door, "/x/")
        await settled(door, await asyncio.to_thread(versions.raise_version, GAMES))
        django.calls = 0
        django.gate.clear()
        waiting = [asyncio.create_task(ask(door, "/x/")) for _ in range(50)]
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
        await ask(door, "/x/")
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
        leader = asyncio.create_task(ask(door, "/x/"))
        await responding.wait()
        follower = await ask(door, "/x/")
        assert json.loads(follower.body) == ["x"]
        with pytest.raises(RuntimeError):
            await leader

    run(scenario)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_memory_is_trusted_for_a_second_and_then_django_answers(valkey, fault):
    async def scenario(door, django):
        await ask(door, "/x/")
        await ask(door, "/x/")
        getattr(valkey, fault)()
        async with asyncio.timeout(5):
            while (answer := await ask(door, "/x/")).headers["x-cache"] == "HIT":
                await asyncio.sleep(0.01)
        assert answer.headers["x-cache"] == "BYPASS"
        assert answer.body == b'["x"]'

    run(scenario)


def test_an_answer_is_not_served_past_its_time():
    async def scenario(door, django):
        await ask(door, "/x/")
        await ask(door, "/x/")
        (url,) = responses.known_urls
        door._l1[url] = msgspec.structs.replace(door._l1[url], expires_at_ms=1)
        with connections.use("cache") as client:
            client.flushall()
        assert (await ask(door, "/x/")).headers["x-cache"] != "HIT"

    run(scenario)
