"""Who gets a stream: caps, hosts, origins, parameters; and with which headers."""

import asyncio
import json

import pytest

from analytics.stream import requests
from tests.analytics.changes import GAMES, build, epoch
from tests.analytics.listener import Process, answer, run


@pytest.fixture(autouse=True)
def _no_headers_of_other_settings():
    requests._django_headers.cache_clear()
    yield
    requests._django_headers.cache_clear()


def detail(listener) -> dict:
    return json.loads(b"".join(listener.bodies))


def test_the_headers_are_those_of_the_api_and_of_a_stream(settings):
    async def scenario(process):
        async with process.listener(origin="https://a.example", accept_encoding="gzip") as listener:
            await listener.hears(1)
            return listener.status, listener.headers

    assert run(scenario) == (
        200,
        {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-store, no-transform",
            "x-accel-buffering": "no",
            "access-control-allow-origin": "*",
            "access-control-expose-headers": ", ".join(settings.CORS_EXPOSE_HEADERS),
            "vary": "origin",
            "x-frame-options": "DENY",
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
        },
    )


@pytest.mark.parametrize(("origin", "allowed"), [("https://a.example", True), ("https://b.example", False)])
def test_origins_are_those_of_the_api(settings, origin, allowed):
    settings.CORS_ALLOW_ALL_ORIGINS = False
    settings.CORS_ALLOWED_ORIGINS = ["https://a.example"]

    async def scenario(process):
        async with process.listener(origin=origin) as listener:
            await listener.hears(1)
            return listener.headers.get("access-control-allow-origin")

    assert run(scenario) == (origin if allowed else None)


def test_head_has_the_headers_and_holds_no_place():
    async def scenario(process):
        got = await answer(process.app, method="HEAD")
        assert (got.status, got.bodies, got.complete) == (200, [b""], True)
        assert got.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert process.hub.clients == set()
        assert process.app._admission._total == 0

    run(scenario)


@pytest.mark.parametrize(
    "request_",
    [{"method": "POST"}, {"method": "OPTIONS"}, {"method": "DELETE"}, {"host": "evil.example"}, {"host": "a b"}],
    ids=str,
)
def test_what_a_stream_does_not_answer_is_left_to_django(request_):
    async def scenario(process):
        assert (await answer(process.app, **request_)).status == 418
        assert process.django.methods == [request_.get("method", "GET")]

    run(scenario)


@pytest.mark.parametrize(
    ("forwarded", "status"), [({}, 418), ({"x_forwarded_proto": "https"}, 200), ({"x_forwarded_proto": "http"}, 418)]
)
def test_where_django_would_redirect_to_https_it_does(settings, forwarded, status):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    async def scenario(process):
        return (await answer(process.app, method="HEAD", **forwarded)).status

    assert run(scenario) == status


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("last_event_id=x", {"last_event_id": ["Is not the id of an event, such as 0f1e2d3c4b5a6978:1767225600000."]}),
        ("last_event_id=", {"last_event_id": ["Is not the id of an event, such as 0f1e2d3c4b5a6978:1767225600000."]}),
        ("last_event_id=a:1&last_event_id=a:1", {"last_event_id": ["Given more than once."]}),
        ("min=2", {"min": ["Unknown parameter."]}),
        ("tz=Europe/London", {"tz": ["Times in the stream are UTC: its events are the same for all."]}),
        ("\xe9", {"\xe9": ["Unknown parameter."]}),
    ],
)
def test_a_query_that_is_none_is_a_400_that_names_the_parameter(query, errors):
    async def scenario(process):
        return await answer(process.app, query=query)

    refused = run(scenario)
    assert (refused.status, detail(refused)) == (400, {"detail": "Invalid input.", "errors": errors})
    assert refused.headers["content-length"] == str(len(refused.bodies[0]))
    assert refused.headers["access-control-allow-origin" if "origin" in refused.headers else "vary"] == "origin"


@pytest.mark.parametrize("header", ["", " "])
def test_an_empty_header_says_nothing(header):
    async def scenario(process):
        async with process.listener(last_event_id=header) as listener:
            return (await listener.hears(1))[0].name

    assert run(scenario) == "snapshot"


def test_the_zone_of_a_caller_changes_nothing():
    async def scenario(process):
        async with process.listener(x_timezone="Europe/London") as listener:
            (snapshot,) = await listener.hears(1)
            return snapshot.data["newest"][0]["end_time"]

    assert run(scenario) == "2026-06-06T11:30:51.691000Z"


def test_a_process_holds_so_many_streams_and_no_more(settings):
    settings.STREAM_MAX_CONNECTIONS = 2

    async def scenario(process):
        async with process.listener() as first, process.listener(client=("203.0.113.2", "1")) as second:
            await first.hears(1)
            await second.hears(1)
            refused = await answer(process.app)
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        assert detail(refused) == {"detail": "This server holds as many streams as it may."}
        async with process.listener() as again:
            await again.hears(1)

    run(scenario)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        (0, "198.51.100.7", 429),  # what a client says of itself is not believed
        (1, "198.51.100.7", 200),
        (1, "198.51.100.7, 203.0.113.1", 429),
        (2, "198.51.100.7, 203.0.113.1", 200),
        (1, "", 429),
    ],
)
def test_an_address_holds_so_many_streams_and_no_more(settings, proxies, forwarded, status):
    settings.STREAM_MAX_PER_ADDRESS = 1
    settings.NUM_PROXIES = proxies

    async def scenario(process):
        async with process.listener(x_forwarded_for="203.0.113.1") as listener:
            await listener.hears(1)
            return await answer(process.app, method="HEAD", x_forwarded_for=forwarded)

    answered = run(scenario)
    assert answered.status == status
    if status == 429:
        assert answered.headers["retry-after"] == "30"
        assert detail(answered) == {"detail": "This address holds as many streams as one may."}


@pytest.mark.parametrize(("second", "status"), [("2001:db8::2", 429), ("2001:db8:0:1::1", 200)])
def test_a_customers_whole_ipv6_network_is_one_address(settings, second, status):
    settings.STREAM_MAX_PER_ADDRESS = 1

    async def scenario(process):
        async with process.listener(client=("2001:db8::1", "1")) as listener:
            await listener.hears(1)
            return await answer(process.app, method="HEAD", client=(second, "1"))

    assert run(scenario).status == status


def test_a_refused_request_holds_no_place():
    async def scenario():
        async with Process() as process:
            for request in ({}, {"query": "x=1"}, {"method": "HEAD"}):
                await answer(process.app, **request)
            return process.app._admission._total, dict(process.app._admission._held)

    assert asyncio.run(scenario()) == (0, {})


def test_a_stream_that_ends_gives_its_place_back():
    build(GAMES)

    async def scenario():
        async with Process() as process:
            async with process.listener(last_event_id=f"{epoch()}:1") as listener:
                await listener.hears(2)
                assert process.app._admission._held == {"ip:203.0.113.1": 1}
            return dict(process.app._admission._held)

    assert asyncio.run(scenario()) == {}
