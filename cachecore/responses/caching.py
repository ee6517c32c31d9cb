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
from cachecore.read_through.stale_if_error import NotAFailure
from cachecore.redis_client.connections import RoleUnavailable
from cachecore.responses import switches
from cachecore.responses.encoding import takes_gzip
from cachecore.responses.policies import Computed, Policy, policies
from cachecore.responses.renderer import encoder
from cachecore.responses.stored_response import StoredAnswer
from cachecore.responses.url_registry import Known, Url, known_urls, learn, url_of
from cachecore.service import Remembered, cache
from cachecore.stats import stats
from cachecore.storage.envelope import Lasting

__all__ = ["Answered", "Computed", "Known", "Policy", "Url", "answer", "cached", "known_urls", "policies"]

CONTENT_TYPE = "application/json"
VARY = "Accept-Encoding, X-Timezone"
# A browser or proxy cannot see versions: it may keep an answer for a moment, then asks again with the ETag.
CACHE_CONTROL = "public, max-age=1, s-maxage=1, stale-while-revalidate=5"
BYPASS = "BYPASS"
# In a request's environ, where no client can put it: compute, and neither read nor store
# (cachecore/maintenance/consistency.py).
AFRESH = "cachecore.afresh"


class Answered(NamedTuple):
    """`outcome` is its X-Cache: HIT, STALE, MISS, or BYPASS where nothing is kept. `known`: what was asked."""

    stored: StoredAnswer
    outcome: str
    known: Known


def answer(
    policy: Policy,
    parameters: Iterable[tuple[str, object]],
    compute: Callable[[], Computed],
    before_computing: Callable[[], None] = lambda: None,
) -> Answered:
    """The stored answer for these canonical parameters, else the computed one, stored.

    Of all who miss it, in whatever process, one computes it (cachecore/storage/leases.py). Redis failing costs the
    cache, not the answer. Raises what `compute` raises, and what `before_computing` does, for its own caller only.
    """
    known = Known(policy, canonical_parameters(parameters))
    version = _version(policy)
    if version is None:
        stats.count(policy.family.name, "bypass")
        before_computing()
        return Answered(_made(compute(), policy, 0), BYPASS, known)

    def factory() -> Lasting:
        made = _made(compute(), policy, version)
        return Lasting(made, made.fresh_ms / 1000)

    stored, outcome = _remembered(known.key(version), factory, before_computing)
    return Answered(stored, outcome.upper() if stored.fresh_ms > 0 else BYPASS, known)


def cached(
    request: HttpRequest,
    policy: Policy,
    parameters: Iterable[tuple[str, object]],
    compute: Callable[[], Computed],
) -> HttpResponse:
    """`answer` as a response to this request; the front door serves the next one.

    `before_computing` on the request (cachecore/rate_limits/rest.py) is taken from it: who takes it calls it.
    """
    before_computing = request.__dict__.pop("before_computing", lambda: None)
    if AFRESH in request.META:
        known = Known(policy, canonical_parameters(parameters))
        return _response(request, Answered(_made(compute(), policy, 0), BYPASS, known))
    answered = answer(policy, parameters, compute, before_computing)
    if answered.outcome != BYPASS:
        learn(_url(request), answered.known)
    return _response(request, answered)


def _url(request: HttpRequest) -> Url:
    told = (request.headers.get(name) for name in ("X-Timezone", "Origin", "X-Forwarded-Proto"))
    return url_of(request.path, request.META.get("QUERY_STRING", ""), *told)


class _Refused(NotAFailure):
    """Instead of what `before_computing` raised, which those who wait for this caller's answer must not be told."""

    def __init__(self, why: Exception, whose: object) -> None:
        self.why = why
        self.whose = whose


def _remembered(key: Key, factory: Callable[[], Any], before_computing: Callable[[], None]) -> Remembered:
    me = object()

    def admitted() -> Any:
        try:
            before_computing()
        except Exception as error:
            raise _Refused(error, me) from error
        return factory()

    while True:
        try:
            return cache.remembered(key, admitted)
        except _Refused as refused:
            if refused.whose is me:
                raise refused.why from None
            # Another was refused while this one waited for it: the next computes. As many rounds as there are others.


def _version(policy: Policy) -> int | None:
    """None: nothing is to be read or kept now."""
    if switches.is_off(policy.family):
        return None
    try:
        return versions.current(policy.namespace)
    except RoleUnavailable:  # told once an outage (connections.py), not with every answer
        return None


def _made(computed: Computed, policy: Policy, version: int) -> StoredAnswer:
    fresh_ms = policy.ttl_ms if computed.fresh_ms is None else min(computed.fresh_ms, policy.ttl_ms)
    return StoredAnswer.of(encoder.encode(computed.payload), version, fresh_ms)


def _response(request: HttpRequest, answered: Answered) -> HttpResponse:
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
