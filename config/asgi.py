"""The front door, without logic of its own: the live stream, cached answers, everything else to Django in threads.

Django runs as WSGI in a bounded pool because its own asynchronous handler is four times slower for synchronous
views (docs/decisions/0003).
"""

import gc

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.urls import get_resolver

from config.wsgi import application as django  # sets Django up: the imports below need it

from analytics.stream.endpoint import LiveStream  # isort: skip
from analytics.stream.hub import Hub  # isort: skip
from analytics.stream.requests import PATH  # isort: skip
from cachecore import versions  # isort: skip
from cachecore.asgi import App, Receive, Scope, Send  # isort: skip
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware  # isort: skip
from cachecore.responses.version_watcher import VersionWatcher  # isort: skip
from config.serving.export_pool import Exports  # isort: skip
from config.serving.request_guard import Intake  # isort: skip

# Python's are 700, 10, 10: a full collection after 70,000 new objects that stay. With these, after 4,000,000.
SELDOM_COLLECTED = (2_000, 20, 100)

EXPORT_PATH = "/api/games/export/"


class FrontDoor:
    """One ASGI application per process."""

    def __init__(self) -> None:
        intake = Intake(_pool(settings.WSGI_THREADS), settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        self._exports = Intake(Exports(_pool(settings.EXPORT_THREADS)), settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        self._cached = ResponseCacheASGIMiddleware(intake, VersionWatcher(versions.namespaces.values()))
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
        # An export may take minutes: it takes no thread that answers others wait for.
        return self._exports if path == EXPORT_PATH else self._cached

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._cached.start()
                await self._stream.start()
                _settle()
            else:
                await self._stream.stop()
                await self._cached.stop()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def _pool(threads: int) -> App:
    return WSGIMiddleware(django, workers=threads)  # type: ignore[arg-type, return-value]


def _settle() -> None:
    """Import what the first request would, and spare all of it the garbage collector, which would look at it again each
    time that enough streams came: everybody waited for that, 140 ms of processor time, now half of it and seldom."""
    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM_COLLECTED)


application = FrontDoor()
