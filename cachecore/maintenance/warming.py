"""Warming: compute the standard answers before anybody asks, through the very views that serve them.

An app registers a warmer, a function that yields URLs; what was asked most lately (usage.py) comes first.
A run asks each view in this process, one after the other, which stores its answer in the cache role; a request that
comes meanwhile waits for it (cachecore/storage/leases.py), and what a request has computed already is not asked. Runs
after new versions are coalesced to one per `COALESCE_SECONDS`.
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
RUN_SECONDS = COALESCE_SECONDS - 1  # a run is over when the next may begin; what it left, that one or a client computes
REST_FACTOR = 3  # times as long as computing took; for what nobody has asked lately
WARMING_DUE = Family(
    name="warming-due",
    pattern="warming:due",
    role="state",
    type="string",
    ttl_seconds=2 * COALESCE_SECONDS,
    holds="set while a warming run is on its way",
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
    """What a run did, by URL."""

    warmed: list[str] = field(default_factory=list)
    already_warm: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)  # by use, and answering 4xx now
    switched_off: list[str] = field(default_factory=list)  # its family's answers are not kept now
    remaining: int = 0  # for want of time, or of Redis
    redis_error: RedisUnavailable | None = None  # the run is over: there is nowhere to keep an answer


def register(family: str, warmer: Warmer) -> None:
    warmers[family] = warmer


def urls(families: Iterable[str] | None = None) -> Iterator[str]:
    """What a run would ask. Raises KeyError for a family without a warmer."""
    for family in families if families is not None else tuple(warmers):
        yield from warmers[family]()


class PlannedUrl(NamedTuple):
    """`standard`: an app's warmer says so. `lately`: clients asked it, and are likely to ask it again at once."""

    canonical_url: CanonicalUrl
    standard: bool
    recently_requested: bool = False


def plan(families: Iterable[str] | None = None) -> list[PlannedUrl]:
    """What a run asks, in its order; of families only what is standard. Raises KeyError as `urls`."""
    standard = dict.fromkeys(map(CanonicalUrl, urls(families)))
    by_use = dict.fromkeys([] if families else _by_use())
    return [PlannedUrl(asked, asked in standard, asked in by_use) for asked in dict.fromkeys((*by_use, *standard))]


def run(clock: Callable[[], float] = time.monotonic, rest: Callable[[float], None] = time.sleep) -> Report:
    """Warm all of the plan that RUN_SECONDS allow: at once what clients ask, the rest at a quarter of the speed.

    Right after a new version the requests themselves need the processors, and for the rest nobody is waiting.
    """
    report, until = Report(), clock() + RUN_SECONDS
    for one in plan():
        began = clock()
        if began >= until:
            report.remaining += 1
            continue
        computed = warm(one, report)
        if computed and not one.recently_requested:
            rest(REST_FACTOR * (clock() - began))
    return report


def warm(one: PlannedUrl, report: Report) -> bool:
    """Whether the view was asked. What clients cannot ask any more (a deleted game, another release's) is dropped."""
    told = str(one.canonical_url)
    if report.redis_error is not None:
        report.remaining += 1
        return False
    if _is_warm(one.canonical_url):
        report.already_warm.append(told)
        return False
    status, outcome, family = _asked(one.canonical_url)
    if status == 200 and outcome in ("HIT", "MISS"):
        (report.already_warm if outcome == "HIT" else report.warmed).append(told)
    elif family is not None and switches.is_off(family):
        report.switched_off.append(told)
    elif outcome == "BYPASS" and (away := redis_failure()) is not None:
        logger.warning("warming ends: %s", away)
        report.redis_error = away
        report.failed.append(told)
    elif 400 <= status < 500 and not one.standard:
        report.dropped.append(told)
        with suppress(RedisUnavailable):
            usage.drop(one.canonical_url)
    else:
        logger.warning("%s was not warmed: status %d, X-Cache %r", told, status, outcome)
        stats.count(usage.REQUESTED_URLS.name, "error")
        report.failed.append(told)
    return True


def warm_url(url: str, report: Report) -> None:
    """A standard answer: whatever is wrong with it is a fault of ours."""
    warm(PlannedUrl(CanonicalUrl(url), standard=True), report)


def claim_delay_seconds() -> float | None:
    """Seconds until the run that this caller shall start; None when one is on its way already."""
    with connections.guarded_client("state") as client:
        if not client.set(WARMING_DUE.key(), 1, nx=True, ex=WARMING_DUE.ttl_seconds):
            return None
        last = client.get(WARMED_AT.key())
    if last is None:
        return 0.0
    return max(0.0, COALESCE_SECONDS - (now_ms() - int(last)) / 1000)


def begin() -> None:
    """A run starts: versions that rise from now on claim a run of their own."""
    with connections.guarded_client("state") as client:
        client.set(WARMED_AT.key(), now_ms(), ex=WARMED_AT.ttl_seconds)
        client.delete(WARMING_DUE.key())


def redis_failure() -> RedisUnavailable | None:
    """Why nothing can be kept now, where that is so."""
    try:
        for role in get_args(Role):
            with connections.guarded_client(role) as client:
                client.ping()
    except RedisUnavailable as error:
        return error
    return None


def _by_use() -> list[CanonicalUrl]:
    """CACHE_REWARM_TOP of what was asked most lately; nothing while the state role is away."""
    try:
        return usage.top(conf.rewarm_top())
    except RedisUnavailable as error:
        logger.warning("what was asked most is not known: %s", error)
        return []


def _is_warm(asked: CanonicalUrl) -> bool:
    """Whether its answer stands there, or somebody computes it: known of what this process has asked before.

    A quarter of the CPU of a hit inside Django, and not counted as one.
    """
    path, _, query = asked.url.partition("?")
    if (known := cached_urls.get(Url(path, query, asked.zone))) is None:
        return False
    try:
        if (version := versions.current(known.policy.namespace)) is None:
            return False
        key = known.key(version)
        with connections.guarded_client("cache") as client:
            return bool(client.exists(key, leases.LEASE.key(key=key)))
    except RedisUnavailable:
        return False


def _asked(asked: CanonicalUrl) -> tuple[int, str, Family | None]:
    """What the view says, its X-Cache, and the family of its answer; (500, "", None) where it raises."""
    try:
        response = call_view(asked.url, asked.zone)
    except Http404:  # no such URL, or a view of Django's own that found nothing
        return 404, "", None
    except Exception:
        logger.exception("warming %s failed", asked)
        return 500, "", None
    result = getattr(response, "result", None)  # cachecore.responses.caching
    family = result.cached_url.policy.family if result is not None else None
    return response.status_code, response.headers.get("X-Cache", ""), family
