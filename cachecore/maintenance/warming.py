"""Warm the response cache: compute responses before clients request them, through the views that serve them.

An app registers a warmer, a function that yields the URLs of its standard responses. The URLs that clients recently
requested most (usage.py) come before them. A run calls the views in this process one after the other, and each stores
its response in the cache role. A request that arrives meanwhile waits for that (cachecore/storage/leases.py), and a
response that a request has already computed is skipped. Runs after new versions are coalesced to one per
`COALESCE_SECONDS`.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

from django.http import Http404

from cachecore import conf, versions
from cachecore.clock import now_ms
from cachecore.keys import Family, Role
from cachecore.maintenance import usage
from cachecore.maintenance.internal_requests import call_view
from cachecore.maintenance.usage import CanonicalUrl
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.responses import switches
from cachecore.responses.url_registry import Url, cached_urls
from cachecore.stats import stats
from cachecore.storage import leases

logger = logging.getLogger(__name__)

COALESCE_SECONDS = 5
RUN_SECONDS = COALESCE_SECONDS - 1  # a run ends before the next may begin; later runs or requests compute the rest
REST_FACTOR = 3  # rest this many times as long as a computation took, if no client has recently requested its URL
WARMING_DUE = Family(
    name="warming-due",
    pattern="warming:due",
    role="state",
    type="string",
    ttl_seconds=2 * COALESCE_SECONDS,
    holds="exists while a warming run is queued",
    written_by="cachecore.maintenance.warming.claim_delay_seconds",
    purged_by="the run when it starts",
)
WARMED_AT = Family(
    name="warming-last",
    pattern="warming:last",
    role="state",
    type="string",
    ttl_seconds=COALESCE_SECONDS,
    holds="unix ms of the start of the last run",
    written_by="cachecore.maintenance.warming.begin",
    purged_by="its TTL",
)

Warmer = Callable[[], Iterable[str]]
warmers: dict[str, Warmer] = {}


@dataclass(slots=True)
class Report:
    """The outcome of a run, as lists of URLs."""

    warmed: list[str] = field(default_factory=list)
    already_warm: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)  # requested often before, and answered by a 4xx now
    switched_off: list[str] = field(default_factory=list)  # responses of their families are not stored now
    remaining: int = 0  # not reached, because time ran out or Redis was unavailable
    redis_error: RedisUnavailable | None = None  # ended the run: no response can be stored


def register(family: str, warmer: Warmer) -> None:
    """Register the function that yields the URLs of a family's standard responses."""
    warmers[family] = warmer


def urls(families: Iterable[str] | None = None) -> Iterator[str]:
    """Yield the URLs of the standard responses. Raises KeyError for a family without a warmer."""
    for family in families if families is not None else tuple(warmers):
        yield from warmers[family]()


class PlannedUrl(NamedTuple):
    """A URL of a run. `standard`: from an app's warmer. `recently_requested`: clients probably request it again."""

    canonical_url: CanonicalUrl
    standard: bool
    recently_requested: bool = False


def plan(families: Iterable[str] | None = None) -> list[PlannedUrl]:
    """Return the URLs of a run in order, or only the standard ones of some families.

    Raises KeyError for a family without a warmer.
    """
    standard = dict.fromkeys(map(CanonicalUrl, urls(families)))
    requested = dict.fromkeys([] if families else _most_requested())
    return [PlannedUrl(url, url in standard, url in requested) for url in dict.fromkeys((*requested, *standard))]


def run(clock: Callable[[], float] = time.monotonic, rest: Callable[[float], None] = time.sleep) -> Report:
    """Warm as much of the plan as RUN_SECONDS allow: recently requested URLs at full speed, others at a quarter of it.

    Right after a new version the requests themselves need the processors, and no client waits for the others.
    """
    report, until = Report(), clock() + RUN_SECONDS
    for one in plan():
        started = clock()
        if started >= until:
            report.remaining += 1
            continue
        computed = warm(one, report)
        if computed and not one.recently_requested:
            rest(REST_FACTOR * (clock() - started))
    return report


def warm(one: PlannedUrl, report: Report) -> bool:
    """Warm a URL; return True if its view was called. A URL that is no longer valid (a deleted game) is dropped."""
    url = str(one.canonical_url)
    if report.redis_error is not None:
        report.remaining += 1
        return False
    if _is_warm(one.canonical_url):
        report.already_warm.append(url)
        return False
    status, outcome, family = _call(one.canonical_url)
    if status == 200 and outcome in ("HIT", "MISS"):
        (report.already_warm if outcome == "HIT" else report.warmed).append(url)
    elif family is not None and switches.is_off(family):
        report.switched_off.append(url)
    elif outcome == "BYPASS" and (error := redis_failure()) is not None:
        logger.warning("warming ends: %s", error)
        report.redis_error = error
        report.failed.append(url)
    elif 400 <= status < 500 and not one.standard:
        report.dropped.append(url)
        with suppress(RedisUnavailable):
            usage.drop(one.canonical_url)
    else:
        logger.warning("%s was not warmed: status %d, X-Cache %r", url, status, outcome)
        stats.count(usage.REQUESTED_URLS.name, "error")
        report.failed.append(url)
    return True


def warm_url(url: str, report: Report) -> None:
    """Warm a standard URL; any failure of it is reported."""
    warm(PlannedUrl(CanonicalUrl(url), standard=True), report)


def claim_delay_seconds() -> float | None:
    """Claim the next run. Return the seconds until it should start, or None if a run is queued already."""
    with connections.guarded_client("state") as client:
        if not client.set(WARMING_DUE.key(), 1, nx=True, ex=WARMING_DUE.ttl_seconds):
            return None
        last = client.get(WARMED_AT.key())
    if last is None:
        return 0.0
    return max(0.0, COALESCE_SECONDS - (now_ms() - int(last)) / 1000)


def begin() -> None:
    """Record that a run starts: later versions claim a run of their own."""
    with connections.guarded_client("state") as client:
        client.set(WARMED_AT.key(), now_ms(), ex=WARMED_AT.ttl_seconds)
        client.delete(WARMING_DUE.key())


def redis_failure() -> RedisUnavailable | None:
    """Return why no response can be stored now, or None if both Redis roles are available."""
    try:
        for role in get_args(Role):
            with connections.guarded_client(role) as client:
                client.ping()
    except RedisUnavailable as error:
        return error
    return None


def _most_requested() -> list[CanonicalUrl]:
    """Return the CACHE_REWARM_TOP most requested URLs, or none while the state role is unavailable."""
    try:
        return usage.top(conf.rewarm_top())
    except RedisUnavailable as error:
        logger.warning("the most requested URLs could not be read: %s", error)
        return []


def _is_warm(url: CanonicalUrl) -> bool:
    """Return True if the response is stored or being computed. Only for URLs that this process has called before.

    This takes a quarter of the CPU of a hit inside Django, and does not count as a hit.
    """
    path, _, query = url.url.partition("?")
    if (cached_url := cached_urls.get(Url(path, query, url.zone))) is None:
        return False
    try:
        if (version := versions.current(cached_url.policy.namespace)) is None:
            return False
        key = cached_url.key(version)
        with connections.guarded_client("cache") as client:
            return bool(client.exists(key, leases.LEASE.key(key=key)))
    except RedisUnavailable:
        return False


def _call(url: CanonicalUrl) -> tuple[int, str, Family | None]:
    """Call the view. Return its status, its X-Cache and its response's family, or (500, "", None) if it raises."""
    try:
        response = call_view(url.url, url.zone)
    except Http404:  # no such URL, or a plain Django view that found no object
        return 404, "", None
    except Exception:
        logger.exception("warming %s failed", url)
        return 500, "", None
    result = getattr(response, "result", None)  # cachecore.responses.caching
    family = result.cached_url.policy.family if result is not None else None
    return response.status_code, response.headers.get("X-Cache", ""), family
