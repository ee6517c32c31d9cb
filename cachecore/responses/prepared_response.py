"""Stored answers made ready to be sent: their headers made once, their bytes sent as they are."""

import msgspec
from django.utils.http import parse_etags

from cachecore.asgi import Headers, Send
from cachecore.responses.cacheable_request import CacheableRequest
from cachecore.responses.caching import CACHE_CONTROL, CONTENT_TYPE
from cachecore.responses.stored_response import StoredResponse

# Set by Django on every answer of a URL alike: security and CORS headers. What differs from answer to answer
# (X-Cache, Age, ETag, Cache-Control, length) is made anew; Set-Cookie and limits are never kept.
REUSABLE_HEADERS = frozenset(
    b"vary x-content-type-options referrer-policy cross-origin-opener-policy x-frame-options "
    b"strict-transport-security content-security-policy permissions-policy access-control-allow-origin "
    b"access-control-expose-headers".split()
)


class PreparedResponse(msgspec.Struct, frozen=True):
    """A stored answer with its headers."""

    stored: StoredResponse
    headers: Headers
    gzip_headers: Headers

    @property
    def size(self) -> int:
        """Bytes of memory, the headers and the entry itself included."""
        return len(self.stored.body) + len(self.stored.gzip or b"") + 2048


def reusable_headers(headers: Headers, *, cross_origin: bool) -> Headers | None:
    """None where the answer sets a cookie, or was not for every origin: such an answer is not for everybody."""
    if any(name.lower() == b"set-cookie" for name, _ in headers):
        return None
    chosen = [(name.lower(), value) for name, value in headers if name.lower() in REUSABLE_HEADERS]
    origins = [value for name, value in chosen if name == b"access-control-allow-origin"]
    return chosen if origins == ([b"*"] if cross_origin else []) else None


def prepare(stored: StoredResponse, headers: Headers) -> PreparedResponse:
    """`headers`: those that Django sets on every answer of this URL (`kept`)."""
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
    """Weak comparison (RFC 9110, 8.8.3.2): our tags are weak because one stands for both encodings."""
    asked = parse_etags(if_none_match)
    return asked == ["*"] or etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in asked]
