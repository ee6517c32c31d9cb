"""The HTTP response cache: whole answers under version-keyed names, one policy per view.

A hit is served by the front door (cachecore/frontdoor.py) before Django runs, or by `cached` inside Django
where no front door stands. The version is read *before* the answer is computed and is part of the key: an
answer computed from older data can never be found under a newer version.
"""

import gzip
import hashlib
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from cachecore import lifetimes, stats, switches, versions
from cachecore.clock import now_ms
from cachecore.connections import RoleUnavailable
from cachecore.envelope import Lasting
from cachecore.keys import Family, Key, canonical_parameters
from cachecore.rendering import encoder
from cachecore.service import cache
from cachecore.stored_answers import StoredAnswer
from cachecore.versions import Namespace

logger = logging.getLogger(__name__)

GZIP_FROM_BYTES = 1024
CONTENT_TYPE = "application/json"
VARY = "Accept-Encoding, X-Timezone"
# A browser or proxy cannot see versions: it may keep an answer for a moment, then asks again with the ETag.
CACHE_CONTROL = "public, max-age=1, s-maxage=1, stale-while-revalidate=5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a view's answers are kept. Whatever has a policy is public: one answer serves every caller."""

    family: Family
    namespace: Namespace

    def __post_init__(self) -> None:
        if self.family.options.value_type is not StoredAnswer:
            raise ValueError(f"family {self.family.name} keeps answers: declare it with options=ANSWER")
        policies[self.family.name] = self

    @property
    def ttl_ms(self) -> int:
        return round(lifetimes.ttl_of(self.family) * 1000)


policies: dict[str, Policy] = {}


class Computed(NamedTuple):
    """What a view computed. `fresh_ms` shortens the family's TTL, e.g. to the end of the open interval."""

    payload: Any
    fresh_ms: int | None = None


class Url(NamedTuple):
    """What a cached answer may depend on besides the version; the front door's key."""

    path: str
    query: str
    timezone: str
    cross_origin: bool
    forwarded_https: bool


class Known(msgspec.Struct):
    """A URL that Django has answered in this process. `headers` are those it sets on every such answer.

    `asked` is written by the event loop, `told` by the statistics' thread, and neither by the other: no lock.
    """

    policy: Policy
    parameters: str
    headers: list[tuple[bytes, bytes]] | None = None
    asked: int = 0  # times since, by GET at the front door
    told: int = 0  # of them, those that are in cachecore.usage

    def key(self, version: int) -> Key:
        return self.policy.family.key(parameters=self.parameters, version=version)


MAX_KNOWN_URLS = 10_000
MAX_KNOWN_URL_LENGTH = 1_000  # longer ones are answered from the cache by Django, and take no memory here
known_urls: dict[Url, Known] = {}
_learning = threading.Lock()


def cached(
    request: HttpRequest,
    policy: Policy,
    parameters: Iterable[tuple[str, object]],
    compute: Callable[[], Computed],
) -> HttpResponse:
    """The stored answer for these canonical parameters, else the computed one, stored.

    Of all who miss it, in whatever process, one computes it (cachecore/leases.py). Redis failing costs the cache, not
    the answer: `X-Cache: BYPASS`. Source of the key: the policy's family.
    """
    known = Known(policy, canonical_parameters(parameters))
    version = _version(policy)
    if version is None:
        stats.count(policy.family.name, "bypass")
        return _respond(request, _answer(compute(), policy, 0), "BYPASS", known)
    found = cache.remembered(known.key(version), lambda: _lasting(_answer(compute(), policy, version)))
    return _respond(request, found.value, found.outcome.upper(), known)


def _version(policy: Policy) -> int | None:
    """None: nothing is to be read or kept now."""
    if switches.is_off(policy.family):
        return None
    try:
        return versions.current(policy.namespace)
    except RoleUnavailable as error:
        logger.warning("answering without the cache: %s", error)
        return None


def _answer(computed: Computed, policy: Policy, version: int) -> StoredAnswer:
    body = encoder.encode(computed.payload)
    stored_at = now_ms()
    fresh_ms = policy.ttl_ms if computed.fresh_ms is None else min(computed.fresh_ms, policy.ttl_ms)
    return StoredAnswer(
        version=version,
        stored_at_ms=stored_at,
        expires_at_ms=stored_at + fresh_ms,
        etag=f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"',
        body=body,
        gzip=gzip.compress(body, compresslevel=6, mtime=0) if len(body) >= GZIP_FROM_BYTES else None,
    )


def _lasting(answer: StoredAnswer) -> Lasting:
    return Lasting(answer, (answer.expires_at_ms - answer.stored_at_ms) / 1000)


def _respond(request: HttpRequest, stored: StoredAnswer, outcome: str, known: Known) -> HttpResponse:
    response = HttpResponse(stored.body, content_type=CONTENT_TYPE)
    response["X-Cache"] = outcome
    response["Age"] = str(max(0, now_ms() - stored.stored_at_ms) // 1000)
    response["ETag"] = stored.etag
    response["Cache-Control"] = CACHE_CONTROL if outcome != "BYPASS" else "no-cache"
    response["Vary"] = VARY
    if stored.version:
        response["X-Data-Version"] = str(stored.version)
    if outcome != "BYPASS":
        _learn(request, known)
    conditional = get_conditional_response(request, etag=stored.etag, response=response) or response
    for name in ("X-Cache", "Age", "X-Data-Version"):
        if name in response:
            conditional[name] = response[name]
    return conditional


def _learn(request: HttpRequest, known: Known) -> None:
    url = Url(
        request.path,
        request.META.get("QUERY_STRING", ""),
        request.headers.get("X-Timezone", ""),
        "Origin" in request.headers,
        request.headers.get("X-Forwarded-Proto") == "https",
    )
    if url in known_urls or len(url.path) + len(url.query) + len(url.timezone) > MAX_KNOWN_URL_LENGTH:
        return
    with _learning:
        while len(known_urls) >= MAX_KNOWN_URLS:
            known_urls.pop(next(iter(known_urls)))
        known_urls[url] = known
