"""The HTTP response cache: whole answers under version-keyed names, one policy per view.

A hit is served by the ASGI middleware (asgi_middleware.py) before Django runs, or by `cached` inside Django
where no front door stands. The version is read *before* the answer is computed and is part of the key: an
answer computed from older data can never be found under a newer version.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from cachecore import versions
from cachecore.keys import Key, canonical_parameters
from cachecore.read_through.stale_if_error import DoNotServeStale
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.responses import switches
from cachecore.responses.encoding import takes_gzip
from cachecore.responses.policies import ComputedResult, Policy, policies
from cachecore.responses.renderer import encoder
from cachecore.responses.stored_response import StoredResponse
from cachecore.responses.url_registry import CachedUrl, Url, cached_urls, register, url_of
from cachecore.service import RememberResult, cache
from cachecore.stats import stats
from cachecore.storage.envelope import Lasting

__all__ = [
    "CachedUrl", "ComputedResult", "Policy", "ResponseResult", "Url", "cached_response", "cached_urls",
    "get_or_compute", "policies",
]  # fmt: skip

CONTENT_TYPE = "application/json"
VARY = "Accept-Encoding, X-Timezone"
# A browser or proxy cannot see versions: it may keep an answer for a moment, then asks again with the ETag.
CACHE_CONTROL = "public, max-age=1, s-maxage=1, stale-while-revalidate=5"
BYPASS = "BYPASS"
# In a request's environ, where no client can put it: compute, and neither read nor store
# (cachecore/maintenance/consistency.py).
BYPASS_META_KEY = "cachecore.afresh"


class ResponseResult(NamedTuple):
    """`outcome` is its X-Cache: HIT, STALE, MISS, or BYPASS where nothing is kept. `known`: what was asked."""

    stored: StoredResponse
    outcome: str
    cached_url: CachedUrl


def get_or_compute(
    policy: Policy,
    parameters: Iterable[tuple[str, object]],
    compute: Callable[[], ComputedResult],
    before_computing: Callable[[], None] = lambda: None,
) -> ResponseResult:
    """The stored answer for these canonical parameters, else the computed one, stored.

    Of all who miss it, in whatever process, one computes it (cachecore/storage/leases.py). Redis failing costs the
    cache, not the answer. Raises what `compute` raises, and what `before_computing` does, for its own caller only.
    """
    known = CachedUrl(policy, canonical_parameters(parameters))
    version = _version(policy)
    if version is None:
        stats.count(policy.family.name, "bypass")
        before_computing()
        return ResponseResult(_to_stored_response(compute(), policy, 0), BYPASS, known)

    def factory() -> Lasting:
        made = _to_stored_response(compute(), policy, version)
        return Lasting(made, made.fresh_ms / 1000)

    stored, outcome = _remember(known.key(version), factory, before_computing)
    return ResponseResult(stored, outcome.upper() if stored.fresh_ms > 0 else BYPASS, known)


def cached_response(
    request: HttpRequest,
    policy: Policy,
    parameters: Iterable[tuple[str, object]],
    compute: Callable[[], ComputedResult],
) -> HttpResponse:
    """`answer` as a response to this request; the front door serves the next one.

    `before_computing` on the request (cachecore/rate_limits/rest.py) is taken from it: who takes it calls it.
    """
    before_computing = request.__dict__.pop("before_computing", lambda: None)
    if BYPASS_META_KEY in request.META:
        known = CachedUrl(policy, canonical_parameters(parameters))
        return _response(request, ResponseResult(_to_stored_response(compute(), policy, 0), BYPASS, known))
    answered = get_or_compute(policy, parameters, compute, before_computing)
    if answered.outcome != BYPASS:
        register(_url(request), answered.cached_url)
    return _response(request, answered)


def _url(request: HttpRequest) -> Url:
    told = (request.headers.get(name) for name in ("X-Timezone", "Origin", "X-Forwarded-Proto"))
    return url_of(request.path, request.META.get("QUERY_STRING", ""), *told)


class _RequestRefused(DoNotServeStale):
    """Instead of what `before_computing` raised, which those who wait for this caller's answer must not be told."""

    def __init__(self, why: Exception, whose: object) -> None:
        self.why = why
        self.whose = whose


def _remember(key: Key, factory: Callable[[], Any], before_computing: Callable[[], None]) -> RememberResult:
    me = object()

    def admitted() -> Any:
        try:
            before_computing()
        except Exception as error:
            raise _RequestRefused(error, me) from error
        return factory()

    while True:
        try:
            return cache.remember_with_outcome(key, admitted)
        except _RequestRefused as refused:
            if refused.whose is me:
                raise refused.why from None
            # Another was refused while this one waited for it: the next computes. As many rounds as there are others.


def _version(policy: Policy) -> int | None:
    """None: nothing is to be read or kept now."""
    if switches.is_off(policy.family):
        return None
    try:
        return versions.current(policy.namespace)
    except RedisUnavailable:  # told once an outage (connections.py), not with every answer
        return None


def _to_stored_response(computed: ComputedResult, policy: Policy, version: int) -> StoredResponse:
    fresh_ms = policy.ttl_ms if computed.fresh_ms is None else min(computed.fresh_ms, policy.ttl_ms)
    return StoredResponse.of(encoder.encode(computed.payload), version, fresh_ms)


def _response(request: HttpRequest, answered: ResponseResult) -> HttpResponse:
    stored = answered.stored
    zipped = stored.gzip if takes_gzip(request.headers.get("Accept-Encoding", "")) else None
    response = HttpResponse(stored.body if zipped is None else zipped, content_type=CONTENT_TYPE)
    if zipped is not None:
        response["Content-Encoding"] = "gzip"
    response["ETag"] = stored.etag
    response["Cache-Control"] = CACHE_CONTROL if answered.outcome != BYPASS else "no-cache"
    response["Vary"] = VARY
    conditional: HttpResponse = get_conditional_response(request, etag=stored.etag, response=response) or response
    conditional["X-Cache"] = answered.outcome
    conditional["Age"] = str(stored.age_seconds)
    if stored.version:
        conditional["X-Data-Version"] = str(stored.version)
    conditional.answered = answered  # type: ignore[attr-defined]  # for who asks in this process
    return conditional
