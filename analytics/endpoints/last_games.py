"""The newest games that met each condition, and how many have been played since."""

from collections.abc import Iterator
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from analytics import sources
from analytics.columns import ALL_GAMES, Coverage
from analytics.compute.last_games import LastGames
from analytics.database import totals as table_totals
from analytics.endpoints.base import AnalyticsView, one_query_per_condition, response_family, response_of
from analytics.endpoints.common import result_with_meta, site_law
from analytics.live.keys import ANALYTICS
from analytics.query.conditions import ConditionQuery
from analytics.sources import Source
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult, Policy
from games.fairness.law import Law
from games.models import Game
from games.query import WholeField
from games.selectors import games_by_id
from games.serializers import GameSerializer


class LastGamesQuery(ConditionQuery):
    """Default: the last game."""

    limit = WholeField(default=1, min_value=1, max_value=100, help_text="Games per condition.")

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield "limit", self.validated_data["limit"]


class LastGamesSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField()
    games_since = serializers.IntegerField(allow_null=True, help_text="Null if no game has met it.")
    games = GameSerializer(many=True)
    expected_gap = serializers.FloatField(help_text="Games from one that meets it to the next, by the formula.")
    next_probability = serializers.FloatField(help_text="0..1, by the formula; independent of history.")


FAMILY = response_family(
    name="analytics-last-games",
    pattern="analytics:last_games:{parameters}:{version}",
    holds="the newest games that met a condition as JSON (stored_response.StoredResponse)",
    written_by="analytics.endpoints.last_games.LastGamesView",
)


def compute_result(query: LastGamesQuery) -> ComputedResult:
    now = now_ms()
    source, coverage, found, games = _last_games(query)
    law = site_law()
    with timezone.override(query.zone):
        rows = {row["game_id"]: row for row in GameSerializer(list(games.values()), many=True).data}
    results = [_condition_result(one, rows, law) for one in found]
    return result_with_meta(results, source, ALL_GAMES, coverage, now, query.zone)


def _last_games(query: LastGamesQuery) -> tuple[Source, Coverage, list[LastGames], dict[int, Game]]:
    limit = query.validated_data["limit"]
    source, (coverage, found) = sources.last_met(query.conditions, limit)
    games = _games_of(found)
    if not all(_still_meet(one, games) for one in found):  # deleted or corrected, and not yet applied to the view
        source = source.as_fallback
        coverage, found = table_totals.last_met(query.conditions, limit)
        games = _games_of(found)
    return source, coverage, found, games


def _games_of(found: list[LastGames]) -> dict[int, Game]:
    return games_by_id({game_id for one in found for game_id in one.ids})


def _still_meet(found: LastGames, games: dict[int, Game]) -> bool:
    condition = found.condition
    return all(
        game_id in games and condition.lowest <= games[game_id].crash_hundredths <= condition.highest
        for game_id in found.ids
    )


def _condition_result(found: LastGames, rows: dict[int, Any], law: Law) -> dict[str, Any]:
    """Return one condition's games; `next_probability` is the law's, because a drought does not change it."""
    probability = found.condition.probability(law)
    return {
        "condition": str(found.condition),
        "games_since": found.games_since,
        "games": [rows[game_id] for game_id in found.ids],
        "expected_gap": round(float(1 / probability), 4),
        "next_probability": float(probability),
    }


@extend_schema(parameters=[LastGamesQuery], responses=response_of(LastGamesSerializer))
class LastGamesView(AnalyticsView):
    """The newest games that met a condition. The chance of the next game does not depend on the games since."""

    url_name = "last-games"
    query_class = LastGamesQuery
    policy = Policy(family=FAMILY, namespace=ANALYTICS)
    compute_result = staticmethod(compute_result)
    standard_queries = staticmethod(one_query_per_condition)
