"""How the crash points of a window spread, beside the law's expectation."""

from collections.abc import Sequence
from typing import Any

from analytics import sources
from analytics.compute.distribution import Bin, distribution
from analytics.endpoints.common import computed, percentage, site_law
from analytics.query import DistributionQuery
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult
from games.crash_points import to_number


def answer(query: DistributionQuery) -> ComputedResult:
    now = now_ms()
    window = query.window(now)
    source, [found] = sources.slices_of([window])
    games = len(found.columns)
    bins = distribution(found.columns, query.edges, site_law())
    results = [{"games": games, "bins": told(bins, games)}]
    return computed(results, source, window, found.coverage, now, query.zone)


def told(bins: Sequence[Bin], games: int) -> list[dict[str, Any]]:
    return [
        {
            "from": to_number(one.low),
            "to": None if one.high is None else to_number(one.high),
            "count": one.count,
            "percentage": percentage(one.count, games),
            "expected_count": round(float(one.probability * games), 4),
            "expected_percentage": round(float(one.probability * 100), 4),
        }
        for one in bins
    ]
