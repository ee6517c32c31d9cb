"""How often each condition was met in a window, if asked beside the window before."""

from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from analytics import sources
from analytics.columns import Coverage, Window
from analytics.compute.occurrences import Occurrences, occurrences
from analytics.endpoints.common import computed, expected_percentage, percentage, site_law, time_text
from analytics.query import OccurrencesQuery
from analytics.sources import Source
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult
from games.fairness.law import Law

Previous = tuple[Coverage, list[Occurrences]]


def answer(query: OccurrencesQuery) -> ComputedResult:
    now = now_ms()
    window = query.window(now)
    source, covered, found, previous = _found(query, window)
    law, zone = site_law(), query.zone
    results = [_result(one, law, zone) for one in found]
    if query.compares:
        for position, result in enumerate(results):
            result |= _comparison(found[position], covered, previous, position, zone)
    return computed(results, source, window, covered, now, zone)


def _found(query: OccurrencesQuery, window: Window) -> tuple[Source, Coverage, list[Occurrences], Previous | None]:
    if window.kind == "all":
        return *sources.all_occurrences(query.conditions), None
    before = window.previous if query.compares else None
    source, slices = sources.slices_of([window, *([before] if before else [])])
    parts = [(part.coverage, occurrences(part.columns, query.conditions)) for part in slices]
    return source, *parts[0], parts[1] if before else None


def _result(found: Occurrences, law: Law, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "condition": str(found.condition),
        **_counts(found, zone),
        "expected_percentage": expected_percentage(found.condition, law),
    }


def _counts(found: Occurrences, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "count": found.count,
        "games": found.games,
        "percentage": percentage(found.count, found.games),
        "first_game_time": time_text(found.first_game_ms, zone),
        "last_game_time": time_text(found.last_game_ms, zone),
    }


def _comparison(
    found: Occurrences, covered: Coverage, previous: Previous | None, position: int, zone: ZoneInfo
) -> dict[str, Any]:
    """Periods of unequal length are never compared: then `change` is null and says why."""
    if previous is None:
        return {"previous": None, "change": None, "reason": "Nothing is before all games."}
    earlier_covered, earlier = previous[0], previous[1][position]
    told = {"previous": _counts(earlier, zone) | {"complete": earlier_covered.complete}}
    if not covered.complete:
        return told | {"change": None, "reason": "The data do not cover the window whole."}
    if not earlier_covered.complete:
        return told | {"change": None, "reason": "The data do not cover the window before whole."}
    return told | {"change": _change(found, earlier), "reason": None}


def _change(found: Occurrences, earlier: Occurrences) -> dict[str, Any]:
    points: float | None = None
    if found.games and earlier.games:
        points = round(float(100 * (Fraction(found.count, found.games) - Fraction(earlier.count, earlier.games))), 4)
    return {"count": found.count - earlier.count, "percentage_points": points}
