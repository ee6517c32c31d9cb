"""Compose the ASGI application: the live stream, cached responses, and Django in threads for everything else.

Django runs as WSGI in a bounded thread pool, because its own asynchronous handler is four times slower for
synchronous views (docs/decisions/0003).
"""

import gc

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.urls import get_resolver

from config.wsgi import application as django  # sets up Django, which the imports below require

from analytics.stream.endpoint import LiveStream  # isort: skip
from analytics.stream.hub import Hub  # isort: skip
from analytics.stream.requests import PATH  # isort: skip
from cachecore import versions  # isort: skip
from cachecore.asgi import App, Receive, Scope, Send  # isort: skip
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware  # isort: skip
from cachecore.responses.version_watcher import VersionWatcher  # isort: skip
from config.serving.credentials import is_authenticated  # isort: skip
from config.serving.export_pool import ExportPool  # isort: skip
from config.serving.request_guard import BodyMemory, RequestGuard  # isort: skip

# With Python's own 700, 10, 10, a full collection runs after 70,000 new objects that survive. With these, 4,000,000.
GC_THRESHOLDS = (2_000, 20, 100)

EXPORT_PATH = "/api/games/export/"
PUBLIC_WRITES = frozenset({"/api/play/guest/"})  # under /api/, all other bodies require a token or a session


class ASGIApplication:
    """One ASGI application per process."""

    def __init__(self) -> None:
        memory = BodyMemory()
        guarded_django = _guard(_django_thread_pool(settings.WSGI_THREADS), memory)
        self._exports = _guard(ExportPool(_django_thread_pool(settings.EXPORT_THREADS)), memory)
        self._cached = ResponseCacheASGIMiddleware(guarded_django, VersionWatcher(versions.namespaces.values()))
        self._stream = LiveStream(self._cached, Hub())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if scope["type"] == "http":
            return await self._app(scope["path"])(scope, receive, send)
        return None

    def _app(self, path: str) -> App:
        if path == PATH:
            return self._stream
        # An export may take minutes, so it has threads of its own and blocks no other request.
        return self._exports if path == EXPORT_PATH else self._cached

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._cached.start()
                await self._stream.start()
                _preload_and_freeze_heap()
            else:
                await self._stream.stop()
                await self._cached.stop()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def _django_thread_pool(threads: int) -> App:
    return WSGIMiddleware(django, workers=threads)  # type: ignore[arg-type, return-value]


def _guard(app: App, memory: BodyMemory) -> App:
    return RequestGuard(
        app,
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        memory=memory,
        authenticate=is_authenticated,
        private_prefix="/api/",
        public_paths=PUBLIC_WRITES,
    )


def _preload_and_freeze_heap() -> None:
    """Import the URLs before the first request, and exclude all objects so far from garbage collection.

    A full collection of them took 140 ms of processor time, during which every request waited. It ran whenever enough
    streams had connected. Now it takes half as long and is rare.
    """
    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


application = ASGIApplication()
