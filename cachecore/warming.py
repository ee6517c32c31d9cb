"""Warming: compute the standard answers before anybody asks, through the very views that serve them.

An app registers a warmer, a function that yields URLs; a run asks each view in this process, which stores its
answer in the cache role. Runs after new versions are coalesced to one per `COALESCE_SECONDS`.
"""

import io
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponseBase
from django.urls import resolve

from cachecore import connections
from cachecore.clock import now_ms
from cachecore.keys import Family

logger = logging.getLogger(__name__)

COALESCE_SECONDS = 5
WARMING_DUE = Family(
    name="warming-due",
    pattern="warming:due",
    role="state",
    type="string",
    ttl_seconds=2 * COALESCE_SECONDS,
    holds="set while a warming run is on its way",
    written_by="cachecore.warming.claim_delay_seconds",
    purged_by="the run when it starts",
)
WARMED_AT = Family(
    name="warming-last",
    pattern="warming:last",
    role="state",
    type="string",
    ttl_seconds=COALESCE_SECONDS,
    holds="unix ms of the start of the last run",
    written_by="cachecore.warming.begin",
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


def register(family: str, warmer: Warmer) -> None:
    warmers[family] = warmer


def urls(families: Iterable[str] | None = None) -> Iterator[str]:
    """What a run would ask. Raises KeyError for a family without a warmer."""
    for family in families if families is not None else tuple(warmers):
        yield from warmers[family]()


def warm_url(url: str, report: Report) -> None:
    try:
        response = _ask(url)
    except Exception:
        logger.exception("warming %s failed", url)
        report.failed.append(url)
        return
    outcome = response.headers.get("X-Cache")
    if response.status_code != 200 or outcome not in ("HIT", "MISS"):
        report.failed.append(url)
    else:
        (report.already_warm if outcome == "HIT" else report.warmed).append(url)


def claim_delay_seconds() -> float | None:
    """Seconds until the run that this caller shall start; None when one is on its way already."""
    with connections.use("state") as client:
        if not client.set(WARMING_DUE.key(), 1, nx=True, ex=WARMING_DUE.ttl_seconds):
            return None
        last = client.get(WARMED_AT.key())
    if last is None:
        return 0.0
    return max(0.0, COALESCE_SECONDS - (now_ms() - int(last)) / 1000)


def begin() -> None:
    """A run starts: versions that rise from now on claim a run of their own."""
    with connections.use("state") as client:
        client.set(WARMED_AT.key(), now_ms(), ex=WARMED_AT.ttl_seconds)
        client.delete(WARMING_DUE.key())


def _ask(url: str) -> HttpResponseBase:
    path, _, query = url.partition("?")
    match = resolve(path)
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
        }
    )
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    return response
