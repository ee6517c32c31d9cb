"""Serve cached responses before Django: ASGI middleware over what `cachecore.responses.caching` stored.

It serves only URLs that Django has answered in this process (url_registry.py), so it does not parse parameters itself:
the first request for a URL always reaches Django, which validates it and determines its cache key. Later requests are
answered from the process's memory (L1), or with one Redis round trip, or by Django. If Django is already computing the
response to a URL, further requests for it wait for that response.
"""

import asyncio
from collections.abc import Callable

from cachetools import LRUCache

from cachecore import cancelling
from cachecore.asgi import App, Message, Receive, Scope, Send
from cachecore.clock import now_ms
from cachecore.redis_client import connections
from cachecore.redis_client.read_batcher import ReadBatcher
from cachecore.responses import switches
from cachecore.responses.cacheable_request import CacheableRequest, parse_cacheable_request
from cachecore.responses.prepared_response import PreparedResponse, prepare, reusable_headers, serve
from cachecore.responses.stored_response import parse
from cachecore.responses.url_registry import CachedUrl, Url, cached_urls
from cachecore.responses.version_watcher import VersionWatcher
from cachecore.stats import stats

L1_BYTES = 64 * 1024 * 1024
MAX_UNCACHEABLE_URLS = 1_000
WATCHER_STOP_SECONDS = 1.0  # longer than its own listener needs to stop


class ResponseCacheASGIMiddleware:
    """ASGI middleware. The server's lifespan calls `start` and `stop`; until `start` every request goes to Django."""

    def __init__(self, app: App, watcher: VersionWatcher) -> None:
        self._app = app
        self._watcher = watcher
        self._l1: LRUCache[Url, PreparedResponse] = LRUCache(L1_BYTES, getsizeof=lambda prepared: prepared.size)
        self._in_progress: dict[Url, asyncio.Future[None]] = {}
        # URLs whose responses Django does not store, so that waiting for another request's response is useless.
        self._uncacheable: LRUCache[Url, bool] = LRUCache(MAX_UNCACHEABLE_URLS)
        self._cache: ReadBatcher | None = None
        self._watcher_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._cache = ReadBatcher("cache", connections.async_client("cache"))
        self._watcher_task = asyncio.create_task(self._watcher.run())

    async def stop(self) -> None:
        if self._watcher_task is not None:
            await cancelling.cancel_and_wait([self._watcher_task], retry_seconds=WATCHER_STOP_SECONDS)
        if self._cache is not None:
            await self._cache.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = parse_cacheable_request(scope)
        if request is None:
            return await self._app(scope, receive, send)
        cached_url = cached_urls.get(request.url)
        if cached_url is not None and not request.head:
            cached_url.requests += 1  # counts which URLs to warm first (cachecore/maintenance/usage.py)
        if prepared := self._local_response(request.url):
            return await serve(prepared, request, send)
        if (
            cached_url is None
            and request.url not in self._uncacheable
            and (first := self._in_progress.get(request.url))
        ):
            await asyncio.shield(first)  # the first request for this URL: its response may serve this one too
            cached_url = cached_urls.get(request.url)
        if cached_url is None:
            return await self._forward_to_django(request.url, scope, receive, send)
        if cached_url.policy.family.name in switches.switched_off():
            return await self._app(scope, receive, send)
        if prepared := await self._redis_response(request.url, cached_url):
            return await serve(prepared, request, send)
        return await self._wait_or_forward(request, cached_url, scope, receive, send)

    def _local_response(self, url: Url) -> PreparedResponse | None:
        """Return the URL's response from L1, unless it is outdated, cleared, switched off or expired."""
        prepared = self._l1.get(url)
        if prepared is None:
            return None
        cached_url, stored = cached_urls.get(url), prepared.stored
        if cached_url is None or self._watcher.current_version(cached_url.policy.namespace) != stored.version:
            return None
        family = cached_url.policy.family.name
        if family in switches.switched_off() or stored.stored_at_ms <= self._watcher.cleared_ms(family):
            return None
        if stored.expires_at_ms <= now_ms():
            return None
        stats.count(family, "local_hit")
        return prepared

    async def _redis_response(self, url: Url, cached_url: CachedUrl) -> PreparedResponse | None:
        """Return the response stored for the current version, and keep it in L1; None if there is none to serve."""
        version = self._watcher.current_version(cached_url.policy.namespace)
        if version is None or cached_url.headers is None or self._cache is None:
            return None
        try:
            data = await self._cache.get(key := cached_url.key(version))
        except connections.RedisUnavailable:
            return None
        stored = parse(key, data) if data is not None else None
        if stored is None or stored.expires_at_ms <= now_ms():
            return None
        stats.count(cached_url.policy.family.name, "hit")
        prepared = self._l1[url] = prepare(stored, cached_url.headers)
        return prepared

    async def _wait_or_forward(
        self, request: CacheableRequest, cached_url: CachedUrl, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Forward only the first of several concurrent misses; serve the others what it stored (single flight)."""
        if (first := self._in_progress.get(request.url)) is None:
            return await self._forward_to_django(request.url, scope, receive, send)
        await asyncio.shield(first)
        if prepared := await self._redis_response(request.url, cached_url):
            return await serve(prepared, request, send)
        return await self._app(scope, receive, send)

    async def _forward_to_django(self, url: Url, scope: Scope, receive: Receive, send: Send) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in_progress.setdefault(url, done)

        def finish() -> None:
            if self._in_progress.get(url) is done:
                del self._in_progress[url]
            if url not in cached_urls:
                self._uncacheable[url] = True
            if not done.done():
                done.set_result(None)

        try:
            await self._app(scope, receive, _capture_headers(url, send, finish))
        finally:
            finish()


def _capture_headers(url: Url, send: Send, finish: Callable[[], None]) -> Send:
    """Return a `send` that passes Django's response on and keeps its headers for the hits to come.

    `finish` is called with the first message: the response is stored by then, and requests that wait for it must not
    wait for a slow client to receive it.
    """

    async def capturing_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            cached_url = cached_urls.get(url)
            if cached_url is not None and cached_url.headers is None and message["status"] in (200, 304):
                cached_url.headers = reusable_headers(message["headers"], cross_origin=url.cross_origin)
            finish()
        await send(message)

    return capturing_send
