"""Cached answers before Django: an ASGI layer that serves what `cachecore.responses.caching` stored.

It knows only URLs that Django has answered in this process (url_registry.py), so it needs no parameter
parsing of its own: the first request for a URL always goes through Django, which validates it and names its key.
From then on: the process's memory (L1), else one Redis round trip, else Django, where requests for the same URL
that arrive meanwhile wait for the first one.
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
MAX_NOT_KEPT = 1_000
WATCHER_ENDS_SECONDS = 1.0  # its listener first


class ResponseCacheASGIMiddleware:
    """ASGI layer. `start` and `stop` belong to the server's lifespan; without them every request passes on."""

    def __init__(self, app: App, watcher: VersionWatcher) -> None:
        self._app = app
        self._watcher = watcher
        self._l1: LRUCache[Url, PreparedResponse] = LRUCache(L1_BYTES, getsizeof=lambda prepared: prepared.size)
        self._under_way: dict[Url, asyncio.Future[None]] = {}
        # URLs whose answers Django does not keep: nobody waits for another's.
        self._not_kept: LRUCache[Url, bool] = LRUCache(MAX_NOT_KEPT)
        self._cache: ReadBatcher | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._cache = ReadBatcher("cache", connections.async_client("cache"))
        self._watching = asyncio.create_task(self._watcher.run())

    async def stop(self) -> None:
        if self._watching is not None:
            await cancelling.end([self._watching], again_seconds=WATCHER_ENDS_SECONDS)
        if self._cache is not None:
            await self._cache.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = parse_cacheable_request(scope)
        if request is None:
            return await self._app(scope, receive, send)
        known = cached_urls.get(request.url)
        if known is not None and not request.head:
            known.requests += 1  # what is asked most is computed anew first (cachecore/maintenance/usage.py)
        if prepared := self._remembered(request.url):
            return await serve(prepared, request, send)
        if known is None and request.url not in self._not_kept and (first := self._under_way.get(request.url)):
            await asyncio.shield(first)  # the first request for this URL: perhaps its answer serves us all
            known = cached_urls.get(request.url)
        if known is None:
            return await self._ask_django(request.url, scope, receive, send)
        if known.policy.family.name in switches.switched_off():
            return await self._app(scope, receive, send)
        if prepared := await self._stored(request.url, known):
            return await serve(prepared, request, send)
        return await self._join_or_ask(request, known, scope, receive, send)

    def _remembered(self, url: Url) -> PreparedResponse | None:
        prepared = self._l1.get(url)
        if prepared is None:
            return None
        known, stored = cached_urls.get(url), prepared.stored
        if known is None or self._watcher.current_version(known.policy.namespace) != stored.version:
            return None
        family = known.policy.family.name
        if family in switches.switched_off() or stored.stored_at_ms <= self._watcher.cleared_ms(family):
            return None
        if stored.expires_at_ms <= now_ms():
            return None
        stats.count(family, "local_hit")
        return prepared

    async def _stored(self, url: Url, known: CachedUrl) -> PreparedResponse | None:
        version = self._watcher.current_version(known.policy.namespace)
        if version is None or known.headers is None or self._cache is None:
            return None
        try:
            data = await self._cache.get(key := known.key(version))
        except connections.RedisUnavailable:
            return None
        stored = parse(key, data) if data is not None else None
        if stored is None or stored.expires_at_ms <= now_ms():
            return None
        stats.count(known.policy.family.name, "hit")
        prepared = self._l1[url] = prepare(stored, known.headers)
        return prepared

    async def _join_or_ask(
        self, request: CacheableRequest, known: CachedUrl, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Only the first of the requests that miss together goes to Django; the others take what it stored."""
        if (first := self._under_way.get(request.url)) is None:
            return await self._ask_django(request.url, scope, receive, send)
        await asyncio.shield(first)
        if prepared := await self._stored(request.url, known):
            return await serve(prepared, request, send)
        return await self._app(scope, receive, send)

    async def _ask_django(self, url: Url, scope: Scope, receive: Receive, send: Send) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.setdefault(url, done)

        def answered() -> None:
            if self._under_way.get(url) is done:
                del self._under_way[url]
            if url not in cached_urls:
                self._not_kept[url] = True
            if not done.done():
                done.set_result(None)

        try:
            await self._app(scope, receive, _learning(url, send, answered))
        finally:
            answered()


def _learning(url: Url, send: Send, answered: Callable[[], None]) -> Send:
    """Pass Django's answer on; of one that it stored, keep the headers for the hits to come.

    With its first word it is stored: who waits for it does not wait for a client that is slow to take it.
    """

    async def passing_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = cached_urls.get(url)
            if known is not None and known.headers is None and message["status"] in (200, 304):
                known.headers = reusable_headers(message["headers"], cross_origin=url.cross_origin)
            answered()
        await send(message)

    return passing_on
