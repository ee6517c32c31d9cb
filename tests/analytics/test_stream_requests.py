"""Requests for a stream: limits, hosts, origins, parameters, and response headers."""

import asyncio
import json

import pytest

from analytics.stream import requests
from tests.analytics.changes import GAMES, build, epoch
from tests.analytics.stream_client import StreamProcess, complete_response, run


@pytest.fixture(autouse=True)
def _no_headers_of_other_settings():
    requests._cached_django_headers.cache_clear()
    yield
    requests._cached_django_headers.cache_clear()


def detail(stream) -> dict:
    return json.loads(b"".join(stream.bodies))


def test_a_stream_has_the_headers_of_the_api_and_those_of_an_event_stream(settings):
    async def scenario(process):
        async with process.connect(origin="https://a.example", accept_encoding="gzip") as stream:
            await stream.wait_for_events(1)
            return stream.status, stream.headers

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
def test_origins_are_allowed_as_in_the_api(settings, origin, allowed):
    settings.CORS_ALLOW_ALL_ORIGINS = False
    settings.CORS_ALLOWED_ORIGINS = ["https://a.example"]

    async def scenario(process):
        async with process.connect(origin=origin) as stream:
            await stream.wait_for_events(1)
            return stream.headers.get("access-control-allow-origin")

    assert run(scenario) == (origin if allowed else None)


def test_head_returns_the_headers_and_does_not_count_as_a_stream():
    async def scenario(process):
        response = await complete_response(process.app, method="HEAD")
        assert (response.status, response.bodies, response.complete) == (200, [b""], True)
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert process.hub.clients == set()
        assert process.app._admission._total == 0

    run(scenario)


@pytest.mark.parametrize(
    "request_",
    [{"method": "POST"}, {"method": "OPTIONS"}, {"method": "DELETE"}, {"host": "evil.example"}, {"host": "a b"}],
    ids=str,
)
def test_other_methods_and_invalid_hosts_are_passed_on_to_django(request_):
    async def scenario(process):
        assert (await complete_response(process.app, **request_)).status == 418
        assert process.next_app.methods == [request_.get("method", "GET")]

    run(scenario)


@pytest.mark.parametrize(
    ("forwarded", "status"), [({}, 418), ({"x_forwarded_proto": "https"}, 200), ({"x_forwarded_proto": "http"}, 418)]
)
def test_requests_that_django_redirects_to_https_are_passed_on(settings, forwarded, status):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    async def scenario(process):
        return (await complete_response(process.app, method="HEAD", **forwarded)).status

    assert run(scenario) == status


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("last_event_id=x", {"last_event_id": ["Must be the id of an event, such as 0f1e2d3c4b5a6978:1767225600000."]}),
        ("last_event_id=", {"last_event_id": ["Must be the id of an event, such as 0f1e2d3c4b5a6978:1767225600000."]}),
        ("last_event_id=a:1&last_event_id=a:1", {"last_event_id": ["Given more than once."]}),
        ("min=2", {"min": ["Unknown parameter."]}),
        ("tz=Europe/London", {"tz": ["The stream has no time zone: its times are in UTC for all clients."]}),
        ("\xe9", {"\xe9": ["Unknown parameter."]}),
    ],
)
def test_an_invalid_query_is_a_400_that_names_the_parameter(query, errors):
    async def scenario(process):
        return await complete_response(process.app, query=query)

    refused = run(scenario)
    assert (refused.status, detail(refused)) == (400, {"detail": "Invalid input.", "errors": errors})
    assert refused.headers["content-length"] == str(len(refused.bodies[0]))
    assert refused.headers["access-control-allow-origin" if "origin" in refused.headers else "vary"] == "origin"


@pytest.mark.parametrize("header", ["", " "])
def test_an_empty_header_is_ignored(header):
    async def scenario(process):
        async with process.connect(last_event_id=header) as stream:
            return (await stream.wait_for_events(1))[0].name

    assert run(scenario) == "snapshot"


def test_the_time_zone_of_a_client_has_no_effect():
    async def scenario(process):
        async with process.connect(x_timezone="Europe/London") as stream:
            (snapshot,) = await stream.wait_for_events(1)
            return snapshot.data["newest"][0]["end_time"]

    assert run(scenario) == "2026-06-06T11:30:51.691Z"


def test_a_process_refuses_streams_beyond_its_limit(settings):
    settings.STREAM_MAX_CONNECTIONS = 2

    async def scenario(process):
        async with process.connect() as first, process.connect(client=("203.0.113.2", "1")) as second:
            await first.wait_for_events(1)
            await second.wait_for_events(1)
            refused = await complete_response(process.app)
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        assert detail(refused) == {"detail": "This server has reached its limit of streams. Try again later."}
        async with process.connect() as again:
            await again.wait_for_events(1)

    run(scenario)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        (0, "198.51.100.7", 429),  # without proxies, the header comes from the client and is ignored
        (1, "198.51.100.7", 200),
        (1, "198.51.100.7, 203.0.113.1", 429),
        (2, "198.51.100.7, 203.0.113.1", 200),
        (1, "", 429),
    ],
)
def test_an_address_is_refused_streams_beyond_its_limit(settings, proxies, forwarded, status):
    settings.STREAM_MAX_PER_ADDRESS = 1
    settings.NUM_PROXIES = proxies

    async def scenario(process):
        async with process.connect(x_forwarded_for="203.0.113.1") as stream:
            await stream.wait_for_events(1)
            return await complete_response(process.app, method="HEAD", x_forwarded_for=forwarded)

    response = run(scenario)
    assert response.status == status
    if status == 429:
        assert response.headers["retry-after"] == "30"
        message = "Your address has reached its limit of streams. Close one before you open another."
        assert detail(response) == {"detail": message}


@pytest.mark.parametrize("name", ["host", "origin", "x_forwarded_proto"])
def test_long_headers_take_no_memory(name):
    """Class: what a client chooses is kept up to a fixed number of bytes only."""

    async def scenario(process):
        for number in range(2):
            long = f"{number}" + "x" * requests.MAX_CACHED_HEADER_BYTES
            await complete_response(process.app, method="HEAD", **{name: long})

    run(scenario)
    assert requests._cached_django_headers.cache_info().currsize == 0


def test_a_port_that_the_proxy_appends_is_no_part_of_the_address(settings):
    settings.STREAM_MAX_PER_ADDRESS = 1
    settings.NUM_PROXIES = 1

    async def scenario(process):
        async with process.connect(x_forwarded_for="203.0.113.1:50211") as stream:
            await stream.wait_for_events(1)
            return [
                (await complete_response(process.app, method="HEAD", x_forwarded_for=forwarded)).status
                for forwarded in ("203.0.113.1:50212", "203.0.113.2:50211", "unknown")
            ]

    assert run(scenario) == [429, 200, 200]


@pytest.mark.parametrize(("second", "status"), [("2001:db8::2", 429), ("2001:db8:0:1::1", 200)])
def test_an_ipv6_network_of_64_bits_counts_as_one_address(settings, second, status):
    settings.STREAM_MAX_PER_ADDRESS = 1

    async def scenario(process):
        async with process.connect(client=("2001:db8::1", "1")) as stream:
            await stream.wait_for_events(1)
            return await complete_response(process.app, method="HEAD", client=(second, "1"))

    assert run(scenario).status == status


def test_a_refused_request_does_not_count_as_a_stream():
    async def scenario():
        async with StreamProcess() as process:
            for request in ({}, {"query": "x=1"}, {"method": "HEAD"}):
                await complete_response(process.app, **request)
            return process.app._admission._total, dict(process.app._admission._per_address)

    assert asyncio.run(scenario()) == (0, {})


def test_a_stream_that_ends_no_longer_counts():
    build(GAMES)

    async def scenario():
        async with StreamProcess() as process:
            async with process.connect(last_event_id=f"{epoch()}:1") as stream:
                await stream.wait_for_events(2)
                assert process.app._admission._per_address == {"ip:203.0.113.1": 1}
            return dict(process.app._admission._per_address)

    assert asyncio.run(scenario()) == {}
