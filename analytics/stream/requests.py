"""Parse the request for a stream: its position in the history, the client's address, and Django's response headers."""

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
MAX_CACHED_HEADER_BYTES = 1_024  # longer ones are never kept, or strangers could fill the cache's memory
PARAMETER = "last_event_id"
EXAMPLE = Position("0f1e2d3c4b5a6978", 1767225600000)


class InvalidQuery(Exception):
    """The query string is invalid. `errors` are the messages by parameter."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class LastEventId(NamedTuple):
    """The position after which a client wants to continue; None if it sent none or its header is `malformed`."""

    position: Position | None
    malformed: bool = False


def parse_last_event_id(headers: Mapping[bytes, bytes], query: bytes) -> LastEventId:
    """Return the position in the Last-Event-ID header, or without one that in the parameter. Raises InvalidQuery.

    The header takes precedence: a browser that reconnects repeats its URL, so the id in the header is the newer one. A
    malformed header is no error: a browser would send it again forever, whereas a reset ends that. A malformed
    parameter is an error that the client can correct.
    """
    text = _read_parameter(query)
    header = headers.get(b"last-event-id", b"").decode("latin-1").strip()
    parameter = Position.parse(text) if text is not None else None
    if text is not None and parameter is None:
        raise InvalidQuery({PARAMETER: [f"Must be the id of an event, such as {EXAMPLE}."]})
    if not header:
        return LastEventId(parameter)
    position = Position.parse(header)
    return LastEventId(position, malformed=position is None)


def _read_parameter(query: bytes) -> str | None:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in pairs]
    errors = {name: ["Unknown parameter."] for name in names if name != PARAMETER}
    if names.count(PARAMETER) > 1:
        errors[PARAMETER] = ["Given more than once."]
    if "tz" in errors:
        errors["tz"] = ["The stream has no time zone: its times are in UTC for all clients."]
    if errors:
        raise InvalidQuery(errors)
    return dict(pairs).get(PARAMETER)


def client_address(scope: Scope, proxies: int) -> str:
    """Return the client's identity as rate limits count it; an IPv6 /64 counts as one address."""
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    peer = scope.get("client")
    return callers.client(forwarded.decode("latin-1"), str(peer[0]) if peer else "", proxies)


def django_headers(scope: Scope, headers: Mapping[bytes, bytes]) -> Headers | None:
    """Return the security and CORS headers that Django's middleware sets.

    Return None if Django would not serve the request (a forged Host, a redirect to https).
    """
    relevant = [(name, headers[name]) for name in (b"host", b"origin", b"x-forwarded-proto") if name in headers]
    short = sum(len(value) for _, value in relevant) <= MAX_CACHED_HEADER_BYTES
    return (_cached_django_headers if short else _django_headers)(scope.get("scheme", "http"), tuple(relevant))


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


_cached_django_headers = lru_cache(maxsize=1024)(_django_headers)


def _run_middleware(request: HttpRequest) -> HttpResponse:
    handle: Any = _view
    for middleware in (XFrameOptionsMiddleware, CorsMiddleware, SecurityMiddleware):
        handle = middleware(handle)
    response: HttpResponse = handle(request)
    return response


def _view(request: HttpRequest) -> HttpResponse:
    request.get_host()  # raises DisallowedHost
    return HttpResponse()
