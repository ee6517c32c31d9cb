"""Stored responses ready to be sent: their headers are built once, their bytes are sent unchanged."""

import msgspec
from django.utils.http import parse_etags

from cachecore.asgi import Headers, Send
from cachecore.responses.cacheable_request import CacheableRequest
from cachecore.responses.caching import CACHE_CONTROL, CONTENT_TYPE
from cachecore.responses.stored_response import StoredResponse

# Security and CORS headers, which Django sets alike on every response to a URL. Headers that differ between responses
# (X-Cache, Age, ETag, Cache-Control, length) are set here; Set-Cookie and rate limits are never reused.
REUSABLE_HEADERS = frozenset(
    b"vary x-content-type-options referrer-policy cross-origin-opener-policy x-frame-options "
    b"strict-transport-security content-security-policy permissions-policy access-control-allow-origin "
    b"access-control-expose-headers".split()
)


class PreparedResponse(msgspec.Struct, frozen=True):
    """A stored response with its headers, for both codings."""

    stored: StoredResponse
    headers: Headers
    gzip_headers: Headers

    @property
    def size(self) -> int:
        """The bytes of memory that it takes, its headers and the cache entry included."""
        return len(self.stored.body) + len(self.stored.gzip or b"") + 2048


def reusable_headers(headers: Headers, *, cross_origin: bool) -> Headers | None:
    """Return the headers that hits may reuse. Return None if the response sets a cookie or allows one origin only."""
    if any(name.lower() == b"set-cookie" for name, _ in headers):
        return None
    chosen = [(name.lower(), value) for name, value in headers if name.lower() in REUSABLE_HEADERS]
    origins = [value for name, value in chosen if name == b"access-control-allow-origin"]
    return chosen if origins == ([b"*"] if cross_origin else []) else None


def prepare(stored: StoredResponse, headers: Headers) -> PreparedResponse:
    """Build both sets of headers. `headers` are those that Django sets on every response to the URL."""
    shared = [
        *headers,
        (b"content-type", CONTENT_TYPE.encode()),
        (b"cache-control", CACHE_CONTROL.encode()),
        (b"etag", stored.etag.encode()),
        (b"x-data-version", str(stored.version).encode()),
        (b"x-cache", b"HIT"),
    ]
    zipped = (b"content-length", str(len(stored.gzip or b"")).encode())
    return PreparedResponse(
        stored,
        headers=[*shared, (b"content-length", str(len(stored.body)).encode())],
        gzip_headers=[*shared, (b"content-encoding", b"gzip"), zipped],
    )


async def serve(prepared: PreparedResponse, request: CacheableRequest, send: Send) -> None:
    """Send the response in the coding that the client accepts, or a 304 if the client has it."""
    stored = prepared.stored
    age = (b"age", str(stored.age_seconds).encode())
    if request.if_none_match and _matches(request.if_none_match, stored.etag):
        headers = [header for header in prepared.headers if header[0] not in (b"content-length", b"content-type")]
        await send({"type": "http.response.start", "status": 304, "headers": [*headers, age]})
        await send({"type": "http.response.body", "body": b""})
        return
    zipped = request.gzip and stored.gzip is not None
    headers = prepared.gzip_headers if zipped else prepared.headers
    body = stored.gzip if zipped else stored.body
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, age]})
    await send({"type": "http.response.body", "body": b"" if request.head else body})


def _matches(if_none_match: str, etag: str) -> bool:
    """Compare weakly (RFC 9110, 8.8.3.2): our ETags are weak, because both codings share one."""
    requested = parse_etags(if_none_match)
    return requested == ["*"] or etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in requested]
