"""The front door, without logic of its own: cached answers first, everything else to Django in threads.

Django runs as WSGI in a bounded pool because its own asynchronous handler is four times slower for synchronous
views (docs/decisions/0003).
"""

from a2wsgi import WSGIMiddleware
from django.conf import settings

from config.wsgi import application as django  # sets Django up: the imports below need it

from cachecore import versions  # isort: skip
from cachecore.frontdoor import App, CachedAnswers, Receive, Scope, Send  # isort: skip
from cachecore.watcher import VersionWatcher  # isort: skip
from config.intake import Intake  # isort: skip


class FrontDoor:
    """One ASGI application per process."""

    def __init__(self) -> None:
        pool: App = WSGIMiddleware(django, workers=settings.WSGI_THREADS)  # type: ignore[arg-type, assignment]
        intake = Intake(pool, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        self._cached = CachedAnswers(intake, VersionWatcher(versions.namespaces.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if scope["type"] == "http":
            return await self._cached(scope, receive, send)
        return None

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._cached.start()
            else:
                await self._cached.stop()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


application = FrontDoor()
