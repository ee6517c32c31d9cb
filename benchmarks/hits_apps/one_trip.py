"""Our ASGI application without the local cache: every hit is one round trip to Redis."""

from config.asgi import ASGIApplication

from cachecore import versions  # isort: skip
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware  # isort: skip
from cachecore.responses.prepared_response import PreparedResponse  # isort: skip
from cachecore.responses.caching import Url  # isort: skip
from cachecore.responses.version_watcher import VersionWatcher  # isort: skip


class WithoutLocalCache(ResponseCacheASGIMiddleware):
    """Never reads from the local cache. Storing there still costs it about a microsecond per hit."""

    def _local_response(self, url: Url) -> PreparedResponse | None:
        return None


class OneRoundTripApplication(ASGIApplication):
    def __init__(self) -> None:
        super().__init__()
        self._cached = WithoutLocalCache(self._cached._app, VersionWatcher(versions.namespaces.values()))


application = OneRoundTripApplication()
