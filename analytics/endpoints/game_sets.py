"""How often each condition was met in sets of consecutive games."""

from typing import Any
from zoneinfo import ZoneInfo

from analytics import sources
from analytics.compute.game_sets import SetCounts, Sets, counts, game_sets
from analytics.endpoints.common import computed, percentage, time_text
from analytics.query import GameSetsQuery
from analytics.query.endpoints import refuse_rows
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult


def answer(query: GameSetsQuery) -> ComputedResult:
    """Also raises ValidationError."""
    now, size = now_ms(), query.validated_data["size"]
    window = query.window(now)
    source, stretch = sources.stretch_of(window, [])
    inside, covered = stretch.window.columns, stretch.window.coverage
    sets = game_sets(inside, stretch.recorded, size)
    refuse_rows("size", len(sets) * len(query.conditions))
    found = counts(inside, query.conditions, size)
    results = [_result(one, sets, query.zone) for one in found]
    return computed(results, source, window, covered, now, query.zone)


def _result(found: SetCounts, sets: Sets, zone: ZoneInfo) -> dict[str, Any]:
    """A set is complete when all its games are there: nothing is scaled up from a part."""
    columns = (sets.first_game, sets.last_game, sets.start_ms, sets.end_ms, sets.games, sets.missing, found.counts)
    return {
        "condition": str(found.condition),
        "size": sets.size,
        "sets": [
            {
                "first_game": first,
                "last_game": last,
                "start": time_text(start, zone),
                "end": time_text(end, zone),
                "count": count,
                "games": games,
                "missing": missing,
                "percentage": percentage(count, games),
                "complete": games == sets.size,
            }
            for first, last, start, end, games, missing, count in zip(*(c.tolist() for c in columns), strict=True)
        ],
    }
