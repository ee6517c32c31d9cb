"""The payload that all endpoints return: `meta` and results, with times, percentages and the site's law."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from analytics.columns import UNKNOWN_TIME, Coverage, Window
from analytics.conditions import Condition
from analytics.live.keys import BUCKET_SECONDS
from analytics.sources import Source
from cachecore.responses.caching import ComputedResult
from cachecore.responses.times import format_time
from games.fairness.law import Law, law_for

# For how long a result from the table is cached while the live view is behind: the view will soon have a newer one.
FALLBACK_FRESH_MS = 1_000
BUCKET_MS = BUCKET_SECONDS * 1000


def site_law() -> Law:
    return law_for(settings.SITE)


def local_time(ms: int | None, zone: ZoneInfo) -> str | None:
    """Return a time in the client's zone as text, or None if it is unknown."""
    if ms is None or ms == UNKNOWN_TIME:
        return None
    # The float is exact to a quarter of a microsecond; twice as fast as adding to the epoch and converting.
    return format_time(datetime.fromtimestamp(ms / 1000, zone))


def percentage(count: int, games: int) -> float | None:
    """Return a percentage from 0 to 100, or None if there are no games."""
    return round(100 * count / games, 4) if games else None


def expected_percentage(condition: Condition, law: Law) -> float:
    return round(float(100 * condition.probability(law)), 4)


def result_with_meta(
    results: Sequence[Any],
    source: Source,
    window: Window,
    coverage: Coverage,
    now_ms: int,
    zone: ZoneInfo,
    *,
    boundary_ms: int = BUCKET_MS,
) -> ComputedResult:
    """Return the payload with the time for which it stays fresh.

    A result over a window of time is fresh until the next multiple of `boundary_ms`, any other until the version rises.
    A result that the table supplied in place of the view is fresh for FALLBACK_FRESH_MS.
    """
    payload = {"meta": meta(source, window, coverage, now_ms, zone), "results": results}
    if not source.is_definitive:
        return ComputedResult(payload, FALLBACK_FRESH_MS)
    return ComputedResult(payload, boundary_ms - now_ms % boundary_ms if window.of_time else None)


def meta(source: Source, window: Window, coverage: Coverage, now_ms: int, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "version": source.version,
        "epoch": source.epoch,
        "generated_at": local_time(now_ms, zone),
        "source": source.name,
        "timezone": zone.key,
        "window": {
            "kind": window.kind,
            "requested": _requested(window, zone),
            "from": local_time(window.from_ms if window.of_time else coverage.first_ms, zone),
            "to": local_time(window.to_ms if window.of_time else coverage.last_ms, zone),
            "first_game": coverage.first_game,
            "last_game": coverage.last_game,
            "games": coverage.games,
            "missing_games": coverage.missing_games,
            "complete": coverage.complete,
        },
    }


def _requested(window: Window, zone: ZoneInfo) -> Any:
    if isinstance(window.requested, dict):
        return {name: format_time(time.astimezone(zone)) for name, time in window.requested.items()}
    return window.requested
