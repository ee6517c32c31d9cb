"""The HTTP response cache: whole responses under keys that end in a namespace version, one policy per view.

A hit is served by the ASGI middleware (asgi_middleware.py) before Django runs, or by `cached_response` inside Django.
The version is read *before* the response is computed and is part of the key: a response computed from older data can
never be found under a newer version.
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
from cachecore.storage.envelope import ExpiringValue

__all__ = [
    "CachedUrl", "ComputedResult", "Policy", "ResponseResult", "Url", "cached_response", "cached_urls",
    "get_or_compute", "policies",
]  # fmt: skip

CONTENT_TYPE = "application/json"
VARY = "Accept-Encoding, X-Timezone"
# A browser or proxy cannot see versions: it may reuse a response for a moment, then revalidates it by its ETag.
CACHE_CONTROL = "public, max-age=1, s-maxage=1, stale-while-revalidate=5"
BYPASS = "BYPASS"
# In a request's environ, where no client can set it: compute the response, and neither read nor store it
# (cachecore/maintenance/consistency.py).
BYPASS_META_KEY = "cachecore.bypass"


class ResponseResult(NamedTuple):
    """A response and how it was obtained.

    `outcome` is its X-Cache: HIT, STALE, MISS, or BYPASS if it is not stored. `cached_url` is what its key is made of.
    """

    stored: StoredResponse
    outcome: str
    cached_url: CachedUrl


def get_or_compute(
    policy: Policy,
    parameters: Iterable[tuple[str, object]],
    compute: Callable[[], ComputedResult],
    before_computing: Callable[[], None] = lambda: None,
) -> ResponseResult:
    """Return the stored response for these parameters, or compute and store it.

    Of concurrent callers in any process one computes (cachecore/storage/leases.py). While Redis is unavailable every
    caller computes. Raises what `compute` raises. What `before_computing` raises reaches its own caller only.
    """
    cached_url = CachedUrl(policy, canonical_parameters(parameters))
    version = _version(policy)
    if version is None:
        stats.count(policy.family.name, "bypass")
        before_computing()
        return ResponseResult(_to_stored_response(compute(), policy, 0), BYPASS, cached_url)

    def factory() -> ExpiringValue:
        response = _to_stored_response(compute(), policy, version)
        return ExpiringValue(response, response.fresh_ms / 1000)

    stored, outcome = _remember(cached_url.key(version), factory, before_computing)
    return ResponseResult(stored, outcome.upper() if stored.fresh_ms > 0 else BYPASS, cached_url)


def cached_response(
    request: HttpRequest,
    policy: Policy,
    parameters: Iterable[tuple[str, object]],
    compute: Callable[[], ComputedResult],
) -> HttpResponse:
    """Return the cached or computed response to this request, and let the ASGI middleware serve the next one.

    The request's `before_computing` (cachecore/rate_limits/rest.py) is called before computing. It is removed from the
    request, so that the throttle does not count the request again.
    """
    before_computing = request.__dict__.pop("before_computing", lambda: None)
    if BYPASS_META_KEY in request.META:
        cached_url = CachedUrl(policy, canonical_parameters(parameters))
        return _response(request, ResponseResult(_to_stored_response(compute(), policy, 0), BYPASS, cached_url))
    result = get_or_compute(policy, parameters, compute, before_computing)
    if result.outcome != BYPASS:
        register(_url(request), result.cached_url)
    return _response(request, result)


def _url(request: HttpRequest) -> Url:
    headers = (request.headers.get(name) for name in ("X-Timezone", "Origin", "X-Forwarded-Proto"))
    return url_of(request.path, request.META.get("QUERY_STRING", ""), *headers)


class _RequestRefused(DoNotServeStale):
    """Wraps what a caller's `before_computing` raised, so that callers waiting for this computation do not raise it."""

    def __init__(self, error: Exception, caller: object) -> None:
        self.error = error
        self.caller = caller


def _remember(key: Key, factory: Callable[[], Any], before_computing: Callable[[], None]) -> RememberResult:
    caller = object()

    def checked_factory() -> Any:
        try:
            before_computing()
        except Exception as error:
            raise _RequestRefused(error, caller) from error
        return factory()

    while True:
        try:
            return cache.remember_with_outcome(key, checked_factory)
        except _RequestRefused as refused:
            if refused.caller is caller:
                raise refused.error from None
            # The caller that this one waited for was refused, so another one computes: at most one round per caller.


def _version(policy: Policy) -> int | None:
    """Return the namespace's version, or None if responses must be neither read nor stored now."""
    if switches.is_off(policy.family):
        return None
    try:
        return versions.current(policy.namespace)
    except RedisUnavailable:  # logged once per outage by connections.py, not per response
        return None


def _to_stored_response(computed: ComputedResult, policy: Policy, version: int) -> StoredResponse:
    fresh_ms = policy.ttl_ms if computed.fresh_ms is None else min(computed.fresh_ms, policy.ttl_ms)
    return StoredResponse.of(encoder.encode(computed.payload), version, fresh_ms)


def _response(request: HttpRequest, result: ResponseResult) -> HttpResponse:
    stored = result.stored
    zipped = stored.gzip if takes_gzip(request.headers.get("Accept-Encoding", "")) else None
    response = HttpResponse(stored.body if zipped is None else zipped, content_type=CONTENT_TYPE)
    if zipped is not None:
        response["Content-Encoding"] = "gzip"
    response["ETag"] = stored.etag
    response["Cache-Control"] = CACHE_CONTROL if result.outcome != BYPASS else "no-cache"
    response["Vary"] = VARY
    conditional: HttpResponse = get_conditional_response(request, etag=stored.etag, response=response) or response
    conditional["X-Cache"] = result.outcome
    conditional["Age"] = str(stored.age_seconds)
    if stored.version:
        conditional["X-Data-Version"] = str(stored.version)
    conditional.result = result  # type: ignore[attr-defined]  # for warming and the consistency check
    return conditional
