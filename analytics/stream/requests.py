"""The request for a stream: who asks, from where on, and the headers that Django would answer with."""

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from corsheaders.middleware import CorsMiddleware
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

from analytics.stream.events import Position
from cachecore.asgi import Headers, Scope
from cachecore.rate_limits import callers

PATH = "/api/stream/"
PARAMETER = "last_event_id"
EXAMPLE = Position("0f1e2d3c4b5a6978", 1767225600000)


class InvalidQuery(Exception):
    """The query is not one: what is wrong, by parameter."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class LastEventId(NamedTuple):
    """What a client says that it heard last. Neither: nothing. `garbled`: its header is not an id of ours."""

    position: Position | None
    malformed: bool = False


def parse_last_event_id(headers: Mapping[bytes, bytes], query: bytes) -> LastEventId:
    """The header wins: a browser that reconnects sends a newer id in it than the one in its URL. Raises Invalid.

    A header that is no id is a browser's memory of something else, which only a new beginning mends; a parameter that
    is none is a mistake somebody can correct.
    """
    asked = _parameters(query)
    header = headers.get(b"last-event-id", b"").decode("latin-1").strip()
    parameter = Position.parse(asked) if asked is not None else None
    if asked is not None and parameter is None:
        raise InvalidQuery({PARAMETER: [f"Is not the id of an event, such as {EXAMPLE}."]})
    if not header:
        return LastEventId(parameter)
    position = Position.parse(header)
    return LastEventId(position, malformed=position is None)


def _parameters(query: bytes) -> str | None:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in pairs]
    errors = {name: ["Unknown parameter."] for name in names if name != PARAMETER}
    if names.count(PARAMETER) > 1:
        errors[PARAMETER] = ["Given more than once."]
    if "tz" in errors:
        errors["tz"] = ["Times in the stream are UTC: its events are the same for all."]
    if errors:
        raise InvalidQuery(errors)
    return dict(pairs).get(PARAMETER)


def client_address(scope: Scope, headers: Mapping[bytes, bytes], proxies: int) -> str:
    """As rate limits count it (an IPv6 /64 is one): the socket's, or what the outermost trusted proxy wrote
    (NUM_PROXIES)."""
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    if proxies and forwarded != [""]:
        return callers.address(forwarded[-min(proxies, len(forwarded))].strip())
    client = scope.get("client")
    return callers.address(str(client[0]) if client else "")


def django_headers(scope: Scope, headers: Mapping[bytes, bytes]) -> Headers | None:
    """The security and CORS headers of Django's own middleware; None where Django would not serve (a forged Host, a
    redirect to https)."""
    asked = [(name, headers[name]) for name in (b"host", b"origin", b"x-forwarded-proto") if name in headers]
    return _django_headers(scope.get("scheme", "http"), tuple(asked))


@lru_cache(maxsize=1024)
def _django_headers(scheme: str, headers: tuple[tuple[bytes, bytes], ...]) -> Headers | None:
    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": b"", "scheme": scheme, "headers": headers}
    try:
        response = _run_middleware(ASGIRequest(scope, BytesIO()))
    except DisallowedHost:
        return None
    if response.status_code != 200:
        return None
    kept = [(n.lower(), v) for n, v in response.items() if n.lower() not in ("content-type", "content-length")]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept]


def _run_middleware(request: HttpRequest) -> HttpResponse:
    handle: Any = _view
    for middleware in (XFrameOptionsMiddleware, CorsMiddleware, SecurityMiddleware):
        handle = middleware(handle)
    response: HttpResponse = handle(request)
    return response


def _view(request: HttpRequest) -> HttpResponse:
    request.get_host()  # raises DisallowedHost
    return HttpResponse()
