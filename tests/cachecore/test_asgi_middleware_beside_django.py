"""Differential test: to any request the ASGI middleware sends what Django would, down to the headers."""

import asyncio
import random
import re

import pytest
from a2wsgi import WSGIMiddleware
from django.db import connections as databases

from analytics import services
from cachecore import versions
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware
from cachecore.responses.version_watcher import VersionWatcher
from config.serving.credentials import is_authenticated
from config.serving.request_guard import RequestGuard
from config.wsgi import application as django
from games.keys import GAMES
from games.rounds import Round
from games.services import record_games

pytestmark = pytest.mark.django_db(transaction=True)

REQUESTS = 500
SEED = 11
PATHS = (
    *("/api/games/", "/api/games/1/", "/api/games/01/", "/api/games/1/verification/", "/api/games/99/", "/panels/"),
    *("/api/analytics/occurrences/", "/api/analytics/last-games/", "/api/games", "//api/games/", "/api/games/\xe9/"),
)
QUERIES = (
    *(
        "",
        "page=1",
        "page=01",
        "page=1&per_page=5",
        "per_page=5&page=1",
        "page=",
        "page=1&page=2",
        "page=%31",
        "page=1&",
    ),
    *("&&page=1", "min=2", "min=2.0", "min=2&tz=Asia/Tokyo", "min=2&tz=Asia%2FTokyo", "tz=UTC", "tz=", "tz=utc"),
    *("format=api", "min=2;max=3", "min=%FF", "floor=2&tz=Europe/London", "unknown=1"),
)
HEADERS = (
    *([], [("x-timezone", "Asia/Tokyo")], [("x-timezone", "Asia/Tokyo"), ("x-timezone", "UTC")], [("x-timezone", "")]),
    *([("x-timezone", " UTC")], [("x-timezone", "\xff")], [("x_timezone", "Asia/Tokyo")]),
    *([("origin", "https://a.example")], [("origin", "")], [("origin", "null")]),
    *([("accept", "text/html")], [("accept", "application/json;q=0")], [("accept", "")], [("accept", "*/*")]),
    *([("accept", "application/json-seq")], [("accept", "text/html"), ("accept", "*/*")]),
    *([("x-forwarded-proto", "https")], [("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]),
    *([("x-forwarded-host", "evil.example")], [("x-forwarded-for", "203.0.113.9")], [("cookie", "theme=dark")]),
    *([("authorization", "Token bad")], [("if-none-match", '"x"')], [("if-match", '"x"')], [("range", "bytes=0-3")]),
    *([("if-modified-since", "Sat, 29 Oct 1994 19:43:31 GMT")], [("accept-language", "de")]),
    *([("if-unmodified-since", "Sat, 29 Oct 1994 19:43:31 GMT")], [("content-type", "text/plain; charset=latin-1")]),
)
# Headers that say where a response comes from, and those that only a server adds or removes.
IGNORED = (b"x-cache", b"age", b"cache-control", b"content-length", b"allow")
TIME_DEPENDENT = ("/api/analytics/", "/panels/")  # computed again later, they have another ETag


async def exchange(app, path, query, headers, method):
    """Send a request. Return status, headers and body as far as the middleware and Django must agree on them."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"testserver"), *((name.encode(), text.encode("latin-1")) for name, text in headers)],
        "http_version": "1.1",
        "scheme": "http",
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    compared = {name.lower(): value for name, value in sent[0]["headers"] if name.lower() not in IGNORED}
    # The panels contain the current hit rate.
    body = b"" if path == "/panels/" else b"".join(message.get("body", b"") for message in sent[1:])
    if path.startswith(TIME_DEPENDENT):
        compared.pop(b"etag", None)
    return sent[0]["status"], compared, re.sub(rb'"generated_at":"[^"]*"', b"", body) if method == "GET" else b""


def test_the_middleware_sends_what_django_would():
    record_games([Round(game_id=number, crash_hundredths=200 + number) for number in range(1, 30)], source="test")
    services.apply_pending()
    dice = random.Random(SEED)

    async def differences():
        pool = WSGIMiddleware(django, workers=1)
        behind = RequestGuard(pool, 1_000_000, authenticate=is_authenticated)
        middleware = ResponseCacheASGIMiddleware(behind, VersionWatcher(versions.namespaces.values()))
        await middleware.start()
        try:
            async with asyncio.timeout(5):
                while middleware._watcher.current_version(GAMES) is None:
                    await asyncio.sleep(0.01)
            for _ in range(REQUESTS):
                headers = [one for some in dice.choices(HEADERS, k=2) for one in some]
                request = dice.choice(PATHS), dice.choice(QUERIES), headers, dice.choice(("GET", "GET", "HEAD"))
                responses = [await exchange(app, *request) for app in (middleware, behind)]
                if responses[0] != responses[1]:
                    yield request, *responses
        finally:
            await middleware.stop()
            pool.executor.submit(databases.close_all).result()  # in the pool's thread

    async def all_of_them():
        return [one async for one in differences()]

    assert asyncio.run(all_of_them()) == []
