"""How often each condition was met in each interval of a window of time."""

from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from analytics import sources
from analytics.columns import Slice, Window
from analytics.compute.intervals import Grid, Intervals, grid_covering, intervals
from analytics.endpoints.common import computed, percentage, time_text
from analytics.query import IntervalsQuery
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult


def answer(query: IntervalsQuery) -> ComputedResult:
    """Also raises ValidationError."""
    now = now_ms()
    window = query.window(now)
    source, [covered] = sources.slices_of([window])
    grid = grid_covering(window.from_ms, window.to_ms, query.width_ms)
    found = intervals(covered.columns, query.conditions, grid)
    results = [_result(one, grid, window, covered, query.zone) for one in found]
    return computed(results, source, window, covered.coverage, now, query.zone, boundary_ms=query.width_ms)


def _result(found: Intervals, grid: Grid, window: Window, covered: Slice, zone: ZoneInfo) -> dict[str, Any]:
    """An interval is complete when the window holds all of it and the data reach back to its start."""
    since_ms = _data_since_ms(covered, window)
    starts, counts, games = grid.starts_ms.tolist(), found.counts.tolist(), found.games.tolist()
    edges = [time_text(edge, zone) for edge in (*starts, grid.end_ms)]
    rows = [
        {
            "start": begins,
            "end": ends,
            "count": count,
            "games": played,
            "percentage": percentage(count, played),
            "complete": since_ms is not None
            and start >= max(since_ms, window.from_ms)
            and start + grid.width_ms <= window.to_ms,
        }
        for start, (begins, ends), count, played in zip(starts, pairwise(edges), counts, games, strict=True)
    ]
    return {
        "condition": str(found.condition),
        "interval_minutes": grid.width_ms // 60_000,
        "intervals": rows,
    }


def _data_since_ms(covered: Slice, window: Window) -> int | None:
    """From when on the data are known to be whole; None when there are none."""
    if covered.reaches_back:
        return window.from_ms
    return int(covered.columns.end_ms.min()) if len(covered.columns) else None
