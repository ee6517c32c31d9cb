"""Count the most requested URLs over all processes; `cachecore.maintenance.warming` recomputes those first.

The ASGI middleware counts requests on each `url_registry.CachedUrl`, with one addition per request. The statistics'
thread adds the new counts to one bounded zset in the state role. Only URLs to which a view has sent a stored 200 are
registered, so no others get in. The request that registers a URL is not counted.
"""

import heapq
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec

from cachecore.keys import Family
from cachecore.redis_client import connections
from cachecore.redis_client.scripts import Script
from cachecore.responses import switches
from cachecore.responses.url_registry import CachedUrl, Url, cached_urls
from cachecore.stats import stats

MAX_MEMBERS = 300
MAX_BATCH = 300  # the most requested URLs of a process; the counts of the others wait for a later batch
MAX_LENGTH = 500  # characters of a member
MIN_SCORE = 1.0  # a member with a lower score is removed

REQUESTED_URLS = Family(
    name="asked-urls",
    pattern="warming:asked",
    role="state",
    type="zset",
    ttl_seconds=None,
    holds="URL and zone -> number of requests, halved every hour",
    written_by="cachecore.maintenance.usage (lua/usage/add_requests.lua)",
    purged_by="cachecore.maintenance.usage.decay; a URL whose response is a 4xx, by warming",
    bounded_by=f"{MAX_MEMBERS} members of at most {MAX_LENGTH} characters",
)

_add_requests = Script(Path(__file__).parent / "lua/usage/add_requests.lua")

# A path on this site: no host, no scheme, no control characters. Queries are encoded by urlencode.
_PATH = re.compile(r"/(?!/)[A-Za-z0-9_.,~/+\-]*")
_ZONE = re.compile(r"[A-Za-z0-9_/+\-]{0,64}")


class CanonicalUrl(NamedTuple):
    """A URL with its parameters in canonical form. `zone` is the request's X-Timezone, or empty."""

    url: str
    zone: str = ""

    def __str__(self) -> str:
        return f"{self.url} {self.zone}" if self.zone else self.url

    @classmethod
    def parse(cls, member: bytes) -> "CanonicalUrl":
        url, _, zone = member.decode().partition(" ")
        return cls(url, zone)


def canonical(url: Url) -> CanonicalUrl | None:
    """Return the URL with sorted, uniformly encoded parameters. Return None if it is not safe to request again."""
    if not _PATH.fullmatch(url.path) or not _ZONE.fullmatch(url.timezone):
        return None
    parameters = sorted(parse_qsl(url.query, keep_blank_values=True), key=lambda parameter: parameter[0])
    found = CanonicalUrl(f"{url.path}?{urlencode(parameters)}" if parameters else url.path, url.timezone)
    return found if len(str(found)) <= MAX_LENGTH else None


def flush() -> None:
    """Add this process's new counts to Redis. Raises RedisUnavailable, and keeps the counts for the next call."""
    new = heapq.nlargest(MAX_BATCH, _unreported(), key=lambda response: response.count)
    batch = [(str(url), response.count) for response in new if (url := response.shortest_url())]
    if batch:
        with connections.guarded_client("state") as client:
            _add_requests(client, [REQUESTED_URLS.key()], [MAX_MEMBERS, msgspec.json.encode(batch)])
    for response in new:
        response.confirm()


def top(count: int) -> list[CanonicalUrl]:
    """Return the `count` most requested URLs, the first one first. Raises RedisUnavailable."""
    if count <= 0:
        return []
    with connections.guarded_client("state") as client:
        return [CanonicalUrl.parse(member) for member in client.zrange(REQUESTED_URLS.key(), 0, count - 1, desc=True)]


def drop(url: CanonicalUrl) -> None:
    """Remove a URL that is no longer valid. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        client.zrem(REQUESTED_URLS.key(), str(url))


def decay() -> int:
    """Halve every score, so that former favourites make room. Return how many are left. Raises RedisUnavailable."""
    key = REQUESTED_URLS.key()
    with connections.guarded_client("state") as client, client.pipeline() as transaction:
        transaction.zunionstore(key, {key: 0.5})
        transaction.zremrangebyscore(key, "-inf", f"({MIN_SCORE}")
        left, removed = transaction.execute()
    return int(left - removed)


@dataclass(slots=True)
class _RequestedResponse:
    """A response and the URLs that clients use for it. However they spell it, it takes one member of the zset."""

    count: int = 0
    urls: list[tuple[Url, CachedUrl, int]] = field(default_factory=list)

    def shortest_url(self) -> CanonicalUrl | None:
        """Return None if no URL is safe to request again, or if the family is switched off."""
        if any(cached_url.policy.family.name in switches.switched_off() for _, cached_url, _ in self.urls):
            return None
        safe = [found for url, _, _ in self.urls if (found := canonical(url))]
        return min(safe, key=lambda url: (len(str(url)), url), default=None)

    def confirm(self) -> None:
        """Mark the requests as reported."""
        for _, cached_url, count in self.urls:
            cached_url.reported_requests += count


def _unreported() -> Iterable[_RequestedResponse]:
    responses: defaultdict[tuple[str, str], _RequestedResponse] = defaultdict(_RequestedResponse)
    for url, cached_url in cached_urls.copy().items():
        if count := cached_url.requests - cached_url.reported_requests:
            response = responses[cached_url.policy.family.name, cached_url.parameters]
            response.count += count
            response.urls.append((url, cached_url, count))
    return responses.values()


stats.after_flush.append(flush)
