"""URLs that Django has answered in this process: for these the ASGI middleware can compute the cache key.

A `Url` contains everything in a request that a shared response or its headers may depend on. Django and the middleware
build it by the same function from the same texts, so a request never gets a response that Django would send to others.
"""

import threading
from typing import NamedTuple

import msgspec

from cachecore.keys import Key
from cachecore.responses.policies import Policy

MAX_CACHED_URLS = 10_000
MAX_URL_LENGTH = 1_000  # longer ones are served from the cache inside Django, and take no memory here


class Url(NamedTuple):
    """The parts of a request that a response may depend on.

    `forwarded_proto` is the proxy's text: Django interprets it (redirects, HSTS).
    """

    path: str
    query: str = ""
    timezone: str = ""
    cross_origin: bool = False
    forwarded_proto: str = ""

    @property
    def fits(self) -> bool:
        """True if it is short enough to be registered."""
        return len(self.path) + len(self.query) + len(self.timezone) + len(self.forwarded_proto) <= MAX_URL_LENGTH


class CachedUrl(msgspec.Struct):
    """What a URL's response is stored under. `headers` are Django's on every such response, once one has passed.

    Only the event loop writes `requests`, and only the statistics' thread `reported_requests`, so neither needs a lock.
    """

    policy: Policy
    parameters: str
    headers: list[tuple[bytes, bytes]] | None = None
    requests: int = 0  # GET requests that the middleware received for it
    reported_requests: int = 0  # those of them that cachecore.maintenance.usage has added to Redis

    def key(self, version: int) -> Key:
        return self.policy.family.key(parameters=self.parameters, version=version)


cached_urls: dict[Url, CachedUrl] = {}
_registering = threading.Lock()


def url_of(path: str, query: str, timezone: str | None, origin: str | None, forwarded_proto: str | None) -> Url:
    """Build a Url from the request line and X-Timezone, Origin and X-Forwarded-Proto (None: the header is absent)."""
    return Url(path, query, timezone or "", bool(origin), forwarded_proto or "")


def register(url: Url, cached_url: CachedUrl) -> None:
    """Let the middleware serve this URL. The oldest URL makes room if the registry is full."""
    if url in cached_urls or not url.fits:
        return
    with _registering:
        while len(cached_urls) >= MAX_CACHED_URLS:
            cached_urls.pop(next(iter(cached_urls)))
        cached_urls[url] = cached_url
