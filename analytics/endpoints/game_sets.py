"""The number of games that met each condition, per set of consecutive games."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from analytics import sources
from analytics.compute.game_sets import SetCounts, Sets, counts, game_sets
from analytics.endpoints.base import AnalyticsView, response_family, response_of
from analytics.endpoints.common import local_time, percentage, result_with_meta
from analytics.live.keys import ANALYTICS
from analytics.query.conditions import ConditionQuery
from analytics.query.row_limit import reject_too_many_rows
from analytics.query.windows import WindowQuery
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult, Policy
from cachecore.responses.times import TimeField
from games.query import WholeField


class GameSetsQuery(ConditionQuery, WindowQuery):
    """Default: the last 1,000 games in sets of ten."""

    size = WholeField(default=10, min_value=1, max_value=1000, help_text="Games in a set.")

    default_window = ("games", 1_000)

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield "size", self.validated_data["size"]


class GameSetSerializer(serializers.Serializer[Any]):
    first_game = serializers.IntegerField(help_text="The first recorded game of the set in the window.")
    last_game = serializers.IntegerField()
    start = TimeField(allow_null=True)
    end = TimeField(allow_null=True)
    count = serializers.IntegerField()
    games = serializers.IntegerField()
    missing = serializers.IntegerField(help_text="Ids without a record in the part of the set that the window spans.")
    percentage = serializers.FloatField(allow_null=True)
    complete = serializers.BooleanField(help_text="True if all games of the set are counted.")


class GameSetsSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField()
    size = serializers.IntegerField()
    sets = GameSetSerializer(many=True, help_text="Newest first; sets without a game are left out.")


FAMILY = response_family(
    name="analytics-game-sets",
    pattern="analytics:game_sets:{parameters}:{version}",
    holds="counts per set of games as JSON (stored_response.StoredResponse)",
    written_by="analytics.endpoints.game_sets.GameSetsView",
)


def compute_result(query: GameSetsQuery) -> ComputedResult:
    now, size = now_ms(), query.validated_data["size"]
    window = query.window(now)
    source, data = sources.window_with_context(window, [])
    inside, coverage = data.window.columns, data.window.coverage
    sets = game_sets(inside, data.recorded, size)
    reject_too_many_rows("size", len(sets) * len(query.conditions))
    found = counts(inside, query.conditions, size)
    results = [_condition_result(one, sets, query.zone) for one in found]
    return result_with_meta(results, source, window, coverage, now, query.zone)


def _condition_result(found: SetCounts, sets: Sets, zone: ZoneInfo) -> dict[str, Any]:
    """Return the sets. A set is complete if all its games are recorded; counts are never scaled up from a part."""
    columns = (sets.first_game, sets.last_game, sets.start_ms, sets.end_ms, sets.games, sets.missing, found.counts)
    return {
        "condition": str(found.condition),
        "size": sets.size,
        "sets": [
            {
                "first_game": first,
                "last_game": last,
                "start": local_time(start, zone),
                "end": local_time(end, zone),
                "count": count,
                "games": games,
                "missing": missing,
                "percentage": percentage(count, games),
                "complete": games == sets.size,
            }
            for first, last, start, end, games, missing, count in zip(*(c.tolist() for c in columns), strict=True)
        ],
    }


@extend_schema(parameters=[GameSetsQuery], responses=response_of(GameSetsSerializer))
class GameSetsView(AnalyticsView):
    """The number of games that met a condition, per set of consecutive games. Incomplete sets are not scaled up."""

    url_name = "game-sets"
    query_class = GameSetsQuery
    policy = Policy(family=FAMILY, namespace=ANALYTICS)
    compute_result = staticmethod(compute_result)
