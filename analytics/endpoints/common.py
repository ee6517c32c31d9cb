"""What every answer says of itself, and how it says times and shares."""

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
from games.fairness.law import Law, law_for

# An answer from the table because the view is behind: soon the view will do better.
UNSETTLED_MS = 1_000
BUCKET_MS = BUCKET_SECONDS * 1000


def site_law() -> Law:
    return law_for(settings.SITE)


def time_text(ms: int | None, zone: ZoneInfo) -> datetime | None:
    """An instant in the caller's zone; None for an unknown one."""
    # The float is exact to a quarter of a microsecond; twice as fast as adding to the epoch and converting.
    return None if ms is None or ms == UNKNOWN_TIME else datetime.fromtimestamp(ms / 1000, zone)


def percentage(count: int, games: int) -> float | None:
    """0..100; null where there is nothing to divide by."""
    return round(100 * count / games, 4) if games else None


def expected_percentage(condition: Condition, law: Law) -> float:
    return round(float(100 * condition.probability(law)), 4)


def computed(
    results: Sequence[Any],
    source: Source,
    window: Window,
    covered: Coverage,
    now_ms: int,
    zone: ZoneInfo,
    *,
    boundary_ms: int = BUCKET_MS,
) -> ComputedResult:
    """The answer, and how long it holds: one about a window of time until the next boundary, a makeshift briefly."""
    payload = {"meta": meta(source, window, covered, now_ms, zone), "results": results}
    if not source.settled:
        return ComputedResult(payload, UNSETTLED_MS)
    return ComputedResult(payload, boundary_ms - now_ms % boundary_ms if window.of_time else None)


def meta(source: Source, window: Window, covered: Coverage, now_ms: int, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "version": source.version,
        "epoch": source.epoch,
        "generated_at": time_text(now_ms, zone),
        "source": source.name,
        "timezone": zone.key,
        "window": {
            "kind": window.kind,
            "requested": _requested(window, zone),
            "from": time_text(window.from_ms if window.of_time else covered.first_ms, zone),
            "to": time_text(window.to_ms if window.of_time else covered.last_ms, zone),
            "first_game": covered.first_game,
            "last_game": covered.last_game,
            "games": covered.games,
            "missing_games": covered.missing_games,
            "complete": covered.complete,
        },
    }


def _requested(window: Window, zone: ZoneInfo) -> Any:
    if isinstance(window.requested, dict):
        return {name: time.astimezone(zone) for name, time in window.requested.items()}
    return window.requested
