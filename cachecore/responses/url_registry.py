"""URLs that Django has answered in this process: for these the front door knows what to look for.

A URL's key is whatever else of a request may shape a shared answer or its headers. Django and the front door make it
by the same function from the same texts, so an answer is never found by who would not have got it.
"""

import threading
from typing import NamedTuple

import msgspec

from cachecore.keys import Key
from cachecore.responses.policies import Policy

MAX_KNOWN_URLS = 10_000
MAX_KNOWN_URL_LENGTH = 1_000  # longer ones are answered from the cache by Django, and take no memory here


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
        return len(self.path) + len(self.query) + len(self.timezone) + len(self.forwarded_proto) <= MAX_KNOWN_URL_LENGTH


class Known(msgspec.Struct):
    """What a URL asks for. `headers` are those that Django sets on every such answer, once the front door saw one.

    `asked` is written by the event loop, `told` by the statistics' thread, and neither by the other: no lock.
    """

    policy: Policy
    parameters: str
    headers: list[tuple[bytes, bytes]] | None = None
    asked: int = 0  # times since, by GET at the front door
    told: int = 0  # of them, those that are in cachecore.maintenance.usage

    def key(self, version: int) -> Key:
        return self.policy.family.key(parameters=self.parameters, version=version)


known_urls: dict[Url, Known] = {}
_learning = threading.Lock()


def url_of(path: str, query: str, timezone: str | None, origin: str | None, forwarded_proto: str | None) -> Url:
    """From the headers X-Timezone, Origin and X-Forwarded-Proto; None for one that is not there."""
    return Url(path, query, timezone or "", bool(origin), forwarded_proto or "")


def learn(url: Url, known: Known) -> None:
    if url in known_urls or not url.fits:
        return
    with _learning:
        while len(known_urls) >= MAX_KNOWN_URLS:
            known_urls.pop(next(iter(known_urls)))
        known_urls[url] = known
