"""Count which URLs are requested most, over all processes. `cachecore.maintenance.warming` recomputes those first.

The front door counts on `learned.Known`, one addition a request. The statistics' thread adds what is new to one
bounded zset of the state role. Only what a view has answered with a stored 200 is known, so nothing else gets in; what
was asked for once only is not counted.
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
MAX_BATCH = 300  # the most asked of a process; the counts of others wait in it
MAX_LENGTH = 500  # characters of a member
FADED = 1.0  # a lower score is not worth a place

REQUESTED_URLS = Family(
    name="asked-urls",
    pattern="warming:asked",
    role="state",
    type="zset",
    ttl_seconds=None,
    holds="URL and zone -> how often it was asked, halved every hour",
    written_by="cachecore.maintenance.usage (lua/usage/add_asked.lua)",
    purged_by="cachecore.maintenance.usage.fade; a URL that answers 4xx at once",
    bounded_by=f"{MAX_MEMBERS} members of at most {MAX_LENGTH} characters",
)

_add_asked = Script(Path(__file__).parent / "lua/usage/add_asked.lua")

# A path of ours: no host, no scheme, no control characters. Queries are made by urlencode.
_PATH = re.compile(r"/(?!/)[A-Za-z0-9_.,~/+\-]*")
_ZONE = re.compile(r"[A-Za-z0-9_/+\-]{0,64}")


class CanonicalUrl(NamedTuple):
    """A URL as a client asks it. `zone`: its X-Timezone, or empty."""

    url: str
    zone: str = ""

    def __str__(self) -> str:
        return f"{self.url} {self.zone}" if self.zone else self.url

    @classmethod
    def parse(cls, member: bytes) -> "CanonicalUrl":
        url, _, zone = member.decode().partition(" ")
        return cls(url, zone)


def canonical(url: Url) -> CanonicalUrl | None:
    """Parameters sorted and encoded in one way; None for what is not to be asked again."""
    if not _PATH.fullmatch(url.path) or not _ZONE.fullmatch(url.timezone):
        return None
    parameters = sorted(parse_qsl(url.query, keep_blank_values=True), key=lambda parameter: parameter[0])
    asked = CanonicalUrl(f"{url.path}?{urlencode(parameters)}" if parameters else url.path, url.timezone)
    return asked if len(str(asked)) <= MAX_LENGTH else None


def flush() -> None:
    """Add what this process was asked since the last time. Raises RedisUnavailable; then the counts wait."""
    new = heapq.nlargest(MAX_BATCH, _new(), key=lambda answer: answer.count)
    batch = [(str(asked), answer.count) for answer in new if (asked := answer.shortest())]
    if batch:
        with connections.guarded_client("state") as client:
            _add_asked(client, [REQUESTED_URLS.key()], [MAX_MEMBERS, msgspec.json.encode(batch)])
    for answer in new:
        answer.confirm()


def top(count: int) -> list[CanonicalUrl]:
    """The `count` most asked, the first one first. Raises RedisUnavailable."""
    if count <= 0:
        return []
    with connections.guarded_client("state") as client:
        return [CanonicalUrl.parse(member) for member in client.zrange(REQUESTED_URLS.key(), 0, count - 1, desc=True)]


def drop(asked: CanonicalUrl) -> None:
    """It cannot be asked any more. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        client.zrem(REQUESTED_URLS.key(), str(asked))


def decay() -> int:
    """Halve every score, so that old favourites make room; how many are left. Raises RedisUnavailable."""
    key = REQUESTED_URLS.key()
    with connections.guarded_client("state") as client, client.pipeline() as transaction:
        transaction.zunionstore(key, {key: 0.5})
        transaction.zremrangebyscore(key, "-inf", f"({FADED}")
        left, removed = transaction.execute()
    return int(left - removed)


@dataclass(slots=True)
class _Answer:
    """An answer and what asks for it: however a question is spelled, it takes one place."""

    count: int = 0
    spellings: list[tuple[Url, CachedUrl, int]] = field(default_factory=list)

    def shortest(self) -> CanonicalUrl | None:
        """None where it is not to be asked again: no spelling is fit for it, or its answers are not kept now."""
        if any(known.policy.family.name in switches.switched_off() for _, known, _ in self.spellings):
            return None
        fit = [asked for url, _, _ in self.spellings if (asked := canonical(url))]
        return min(fit, key=lambda asked: (len(str(asked)), asked), default=None)

    def confirm(self) -> None:
        for _, known, count in self.spellings:
            known.reported_requests += count


def _new() -> Iterable[_Answer]:
    answers: defaultdict[tuple[str, str], _Answer] = defaultdict(_Answer)
    for url, known in cached_urls.copy().items():
        if count := known.requests - known.reported_requests:
            answer = answers[known.policy.family.name, known.parameters]
            answer.count += count
            answer.spellings.append((url, known, count))
    return answers.values()


stats.after_flush.append(flush)
