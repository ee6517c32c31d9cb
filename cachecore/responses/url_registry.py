"""URLs that Django has answered in this process: for these the front door knows what to look for.

A URL's key is whatever else of a request may shape a shared answer or its headers. Django and the front door make it
by the same function from the same texts, so an answer is never found by who would not have got it.
"""

import threading
from typing import NamedTuple

import msgspec

from cachecore.keys import Key
from cachecore.responses.policies import Policy

MAX_CACHED_URLS = 10_000
MAX_URL_LENGTH = 1_000  # longer ones are answered from the cache by Django, and take no memory here


class Url(NamedTuple):
    """`forwarded_proto` is what a proxy said, as it said it: Django decides what it means (redirects, HSTS)."""

    path: str
    query: str = ""
    timezone: str = ""
    cross_origin: bool = False
    forwarded_proto: str = ""

    @property
    def fits(self) -> bool:
        """Whether it may be remembered."""
        return len(self.path) + len(self.query) + len(self.timezone) + len(self.forwarded_proto) <= MAX_URL_LENGTH


class CachedUrl(msgspec.Struct):
    """What a URL asks for. `headers` are those that Django sets on every such answer, once the front door saw one.

    `asked` is written by the event loop, `told` by the statistics' thread, and neither by the other: no lock.
    """

    policy: Policy
    parameters: str
    headers: list[tuple[bytes, bytes]] | None = None
    requests: int = 0  # times since, by GET at the front door
    reported_requests: int = 0  # of them, those that are in cachecore.maintenance.usage

    def key(self, version: int) -> Key:
        return self.policy.family.key(parameters=self.parameters, version=version)


cached_urls: dict[Url, CachedUrl] = {}
_learning = threading.Lock()


def url_of(path: str, query: str, timezone: str | None, origin: str | None, forwarded_proto: str | None) -> Url:
    """From the headers X-Timezone, Origin and X-Forwarded-Proto; None for one that is not there."""
    return Url(path, query, timezone or "", bool(origin), forwarded_proto or "")


def register(url: Url, known: CachedUrl) -> None:
    if url in cached_urls or not url.fits:
        return
    with _learning:
        while len(cached_urls) >= MAX_CACHED_URLS:
            cached_urls.pop(next(iter(cached_urls)))
        cached_urls[url] = known
