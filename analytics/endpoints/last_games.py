"""The newest games that met each condition, and how many have been played since."""

from typing import Any

from django.utils import timezone

from analytics import sources
from analytics.columns import ALL_GAMES, Coverage
from analytics.compute.last_games import LastGames
from analytics.database import totals as table_totals
from analytics.endpoints.common import computed, site_law
from analytics.query import LastGamesQuery
from analytics.sources import Source
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult
from games.fairness.law import Law
from games.models import Game
from games.selectors import games_by_id
from games.serializers import GameSerializer


def answer(query: LastGamesQuery) -> ComputedResult:
    now = now_ms()
    source, covered, found, rows = _found(query)
    law = site_law()
    with timezone.override(query.zone):
        told = {row["game_id"]: row for row in GameSerializer(list(rows.values()), many=True).data}
    results = [_result(one, told, law) for one in found]
    return computed(results, source, ALL_GAMES, covered, now, query.zone)


def _found(query: LastGamesQuery) -> tuple[Source, Coverage, list[LastGames], dict[int, Game]]:
    limit = query.validated_data["limit"]
    source, (covered, found) = sources.last_met(query.conditions, limit)
    rows = games_by_id({game_id for one in found for game_id in one.ids})
    if not all(_met(one, rows) for one in found):  # deleted or corrected, and not yet applied
        source = source.makeshift
        covered, found = table_totals.last_met(query.conditions, limit)
        rows = games_by_id({game_id for one in found for game_id in one.ids})
    return source, covered, found, rows


def _met(found: LastGames, rows: dict[int, Game]) -> bool:
    condition = found.condition
    return all(
        game_id in rows and condition.lowest <= rows[game_id].crash_hundredths <= condition.highest
        for game_id in found.ids
    )


def _result(found: LastGames, told: dict[int, Any], law: Law) -> dict[str, Any]:
    """`next_probability` is the law's, whatever the games since: a drought raises no chance."""
    chance = found.condition.probability(law)
    return {
        "condition": str(found.condition),
        "games_since": found.games_since,
        "games": [told[game_id] for game_id in found.ids],
        "expected_gap": round(float(1 / chance), 4),
        "next_probability": float(chance),
    }
