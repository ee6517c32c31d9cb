"""Mean and deviation of ln(crash point), block by block, beside the law's."""

from typing import Any
from zoneinfo import ZoneInfo

from analytics import sources
from analytics.compute.volatility import Block, expected, volatility
from analytics.endpoints.common import computed, site_law, time_text
from analytics.query import VolatilityQuery
from analytics.query.endpoints import refuse_rows
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult

DIGITS = 6


def answer(query: VolatilityQuery) -> ComputedResult:
    """Also raises ValidationError."""
    now, size = now_ms(), query.validated_data["size"]
    window = query.window(now)
    source, [found] = sources.slices_of([window])
    refuse_rows("size", -(-len(found.columns) // size))
    law = expected(site_law())
    result = {
        "size": size,
        "expected_mean": round(law.mean, DIGITS),
        "expected_deviation": round(law.deviation, DIGITS),
        "blocks": [_block(one, size, query.zone) for one in volatility(found.columns, size)],
    }
    return computed([result], source, window, found.coverage, now, query.zone)


def _block(found: Block, size: int, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "first_game": found.first_game,
        "last_game": found.last_game,
        "start": time_text(found.start_ms, zone),
        "end": time_text(found.end_ms, zone),
        "games": found.games,
        "mean": round(found.mean, DIGITS),
        "deviation": None if found.deviation is None else round(found.deviation, DIGITS),
        "complete": found.games == size,
    }
