"""Cached answers before Django: an ASGI layer that serves what `cachecore.responses` stored.

It knows only URLs that Django has answered in this process (`responses.known_urls`), so it needs no parameter
parsing of its own: the first request for a URL always goes through Django, which validates it and names its key.
From then on: the process's memory (L1), else one Redis round trip, else Django, where requests for the same URL
that arrive meanwhile wait for the first one.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from cachetools import LRUCache
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import parse_etags

from cachecore import connections, responses, stats, switches
from cachecore.clock import now_ms
from cachecore.gathering import GatheredReads
from cachecore.responses import Known, Url
from cachecore.stored_answers import StoredAnswer, parse
from cachecore.watcher import VersionWatcher

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

L1_BYTES = 64 * 1024 * 1024
MAX_NOT_KEPT = 1_000
NO_WEIGHT = ("q=0", "q=0.0", "q=0.00", "q=0.000")

# Set by Django on every answer of a URL alike: security and CORS headers. What differs from answer to answer
# (X-Cache, Age, ETag, length) is made anew; Set-Cookie and limits are never kept.
KEPT_HEADERS = frozenset(
    b"cache-control vary x-content-type-options referrer-policy cross-origin-opener-policy x-frame-options "
    b"strict-transport-security content-security-policy permissions-policy access-control-allow-origin "
    b"access-control-expose-headers".split()
)


class Request(NamedTuple):
    """The part of a request that decides how it is answered."""

    url: Url
    gzip: bool
    if_none_match: str
    head: bool


class Prepared(msgspec.Struct, frozen=True):
    """A stored answer with its headers made once."""

    version: int
    stored_at_ms: int
    expires_at_ms: int
    etag: str
    body: bytes
    gzip: bytes | None
    headers: Headers
    gzip_headers: Headers


class CachedAnswers:
    """ASGI layer. `start` and `stop` belong to the server's lifespan; without them every request passes on."""

    def __init__(self, app: App, watcher: VersionWatcher) -> None:
        self._app = app
        self._watcher = watcher
        self._l1: LRUCache[Url, Prepared] = LRUCache(L1_BYTES, getsizeof=_size)
        self._under_way: dict[Url, asyncio.Future[None]] = {}
        # URLs whose answers Django does not keep: nobody waits for another's.
        self._not_kept: LRUCache[Url, bool] = LRUCache(MAX_NOT_KEPT)
        self._cache: GatheredReads | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._cache = GatheredReads("cache", connections.async_client("cache"))
        self._watching = asyncio.create_task(self._watcher.run())

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._cache is not None:
            await self._cache.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _public_request(scope)
        if request is None:
            return await self._app(scope, receive, send)
        known = responses.known_urls.get(request.url)
        if known is not None and not request.head:
            known.asked += 1  # what is asked most is computed anew first (cachecore/usage.py)
        if prepared := self._remembered(request.url):
            return await _serve(prepared, request, send)
        if known is None and request.url not in self._not_kept and (first := self._under_way.get(request.url)):
            await asyncio.shield(first)  # the first request for this URL: perhaps its answer serves us all
            known = responses.known_urls.get(request.url)
        if known is None:
            return await self._ask_django(request.url, scope, receive, send)
        if known.policy.family.name in switches.known():
            return await self._app(scope, receive, send)
        if prepared := await self._stored(request.url, known):
            return await _serve(prepared, request, send)
        return await self._join_or_ask(request, known, scope, receive, send)

    def _remembered(self, url: Url) -> Prepared | None:
        prepared = self._l1.get(url)
        if prepared is None:
            return None
        known = responses.known_urls.get(url)
        if known is None or self._watcher.verified(known.policy.namespace) != prepared.version:
            return None
        if known.policy.family.name in switches.known():
            return None
        if prepared.expires_at_ms <= now_ms():
            return None
        stats.count(known.policy.family.name, "local_hit")
        return prepared

    async def _stored(self, url: Url, known: Known) -> Prepared | None:
        version = self._watcher.verified(known.policy.namespace)
        if version is None or known.headers is None or self._cache is None:
            return None
        try:
            data = await self._cache.get(known.key(version))
        except connections.RoleUnavailable:
            return None
        stored = parse(known.policy.family, data) if data is not None else None
        if stored is None or stored.expires_at_ms <= now_ms():
            return None
        stats.count(known.policy.family.name, "hit")
        prepared = self._l1[url] = _prepare(stored, known.headers)
        return prepared

    async def _join_or_ask(self, request: Request, known: Known, scope: Scope, receive: Receive, send: Send) -> None:
        """Only the first of the requests that miss together goes to Django; the others take what it stored."""
        if (first := self._under_way.get(request.url)) is None:
            return await self._ask_django(request.url, scope, receive, send)
        await asyncio.shield(first)
        if prepared := await self._stored(request.url, known):
            return await _serve(prepared, request, send)
        return await self._app(scope, receive, send)

    async def _ask_django(self, url: Url, scope: Scope, receive: Receive, send: Send) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.setdefault(url, done)
        try:
            await self._app(scope, receive, _learning(url, send))
        finally:
            if self._under_way.get(url) is done:
                del self._under_way[url]
            if url not in responses.known_urls:
                self._not_kept[url] = True
            done.set_result(None)


def _public_request(scope: Scope) -> Request | None:
    """The request as far as a public answer may depend on it; None for what only Django may answer."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return None
    found: dict[bytes, bytes] = dict(scope["headers"])
    if b"authorization" in found or not _wants_json(found.get(b"accept", b"*/*")):
        return None
    if not _host_allowed(found.get(b"host", b"")):
        return None
    return Request(
        Url(
            scope["path"],
            scope["query_string"].decode("latin-1"),
            found.get(b"x-timezone", b"").decode("latin-1"),
            b"origin" in found,
            found.get(b"x-forwarded-proto") == b"https",
        ),
        _takes_gzip(found.get(b"accept-encoding", b"")),
        found.get(b"if-none-match", b"").decode("latin-1"),
        scope["method"] == "HEAD",
    )


@lru_cache(maxsize=1024)
def _wants_json(accept: bytes) -> bool:
    return b"*/*" in accept or b"application/json" in accept or b"application/*" in accept


@lru_cache(maxsize=1024)
def _takes_gzip(accept_encoding: bytes) -> bool:
    """Whether gzip is named, and not with a weight of nothing (RFC 9110, 12.5.3)."""
    for coding in accept_encoding.decode("latin-1").split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "") not in NO_WEIGHT
    return False


@lru_cache(maxsize=1024)
def _host_allowed(host: bytes) -> bool:
    """Django's own host check, so that a forged Host gets its 400 from Django."""
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _learning(url: Url, send: Send) -> Send:
    """Pass Django's answer on; of one that it stored, keep the headers for the hits to come."""

    async def passing_on(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (200, 304):
            known = responses.known_urls.get(url)
            if known is not None and known.headers is None:
                known.headers = _kept(message["headers"], cross_origin=url.cross_origin)
        await send(message)

    return passing_on


def _kept(headers: Headers, *, cross_origin: bool) -> Headers | None:
    """None where the answer sets a cookie, or was not for every origin: such an answer is not for everybody."""
    if any(name.lower() == b"set-cookie" for name, _ in headers):
        return None
    kept = [(name.lower(), value) for name, value in headers if name.lower() in KEPT_HEADERS]
    origins = [value for name, value in kept if name == b"access-control-allow-origin"]
    return kept if origins == ([b"*"] if cross_origin else []) else None


def _prepare(stored: StoredAnswer, kept: Headers) -> Prepared:
    shared = [
        *kept,
        (b"content-type", responses.CONTENT_TYPE.encode()),
        (b"etag", stored.etag.encode()),
        (b"x-data-version", str(stored.version).encode()),
        (b"x-cache", b"HIT"),
    ]
    return Prepared(
        version=stored.version,
        stored_at_ms=stored.stored_at_ms,
        expires_at_ms=stored.expires_at_ms,
        etag=stored.etag,
        body=stored.body,
        gzip=stored.gzip,
        headers=[*shared, (b"content-length", str(len(stored.body)).encode())],
        gzip_headers=[
            *shared,
            (b"content-encoding", b"gzip"),
            (b"content-length", str(len(stored.gzip or b"")).encode()),
        ],
    )


async def _serve(prepared: Prepared, request: Request, send: Send) -> None:
    age = (b"age", str(max(0, now_ms() - prepared.stored_at_ms) // 1000).encode())
    if request.if_none_match and _matches(request.if_none_match, prepared.etag):
        kept = [header for header in prepared.headers if header[0] not in (b"content-length", b"content-type")]
        await send({"type": "http.response.start", "status": 304, "headers": [*kept, age]})
        await send({"type": "http.response.body", "body": b""})
        return
    zipped = request.gzip and prepared.gzip is not None
    headers = prepared.gzip_headers if zipped else prepared.headers
    body = prepared.gzip if zipped else prepared.body
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, age]})
    await send({"type": "http.response.body", "body": b"" if request.head else body})


def _matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison (RFC 9110, 8.8.3.2): our tags are weak because one stands for both encodings."""
    asked = parse_etags(if_none_match)
    return asked == ["*"] or etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in asked]


def _size(prepared: Prepared) -> int:
    return len(prepared.body) + len(prepared.gzip or b"") + 2048  # the headers and the entry itself
