"""Droughts: series of games that do not meet a condition. They say nothing about the next game."""

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from analytics import sources
from analytics.columns import Columns, Coverage, Window, WindowWithContext
from analytics.compute.series import Series, Summary, overlapping, runs, sorted_by_length, summary
from analytics.conditions import Condition
from analytics.endpoints.base import AnalyticsView, one_query_per_condition, response_family, response_of
from analytics.endpoints.common import local_time, result_with_meta
from analytics.live.keys import ANALYTICS
from analytics.query.conditions import ConditionQuery
from analytics.query.row_limit import reject_too_many_rows
from analytics.query.windows import WindowQuery
from analytics.sources import Source
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult, Policy
from cachecore.responses.times import TimeField
from games.crash_points import to_number
from games.query import WholeField


class SeriesQuery(ConditionQuery, WindowQuery):
    """Default: the last 1,000 games, newest series first."""

    sort = serializers.ChoiceField(["time", "length"], default="time", help_text="Newest or longest first.")
    limit = WholeField(default=100, min_value=1, max_value=1000, help_text="Series per condition.")

    default_window = ("games", 1_000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        reject_too_many_rows("limit", attrs["limit"] * len(attrs["conditions"]))
        return attrs

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield "sort", self.validated_data["sort"]
        yield "limit", self.validated_data["limit"]


class CloserSerializer(serializers.Serializer[Any]):
    game_id = serializers.IntegerField()
    crash_point = serializers.FloatField()


class OneSeriesSerializer(serializers.Serializer[Any]):
    start_game = serializers.IntegerField()
    end_game = serializers.IntegerField()
    start_time = TimeField(allow_null=True)
    end_time = TimeField(allow_null=True)
    length = serializers.IntegerField(help_text="Games of the whole series, including those outside the window.")
    closed_by = CloserSerializer(allow_null=True, help_text="The game that met the condition; null: still open.")
    follow_streak = serializers.IntegerField(help_text="Games in a row that met it, from the closing game on.")
    starts_before_window = serializers.BooleanField()


class SeriesSummarySerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    longest = serializers.IntegerField(allow_null=True)
    current = serializers.IntegerField(allow_null=True, help_text="Null if the window ends before the newest game.")
    mean = serializers.FloatField(allow_null=True)


class SeriesSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField()
    summary = SeriesSummarySerializer(help_text="Over all series of the window, also those beyond `limit`.")
    series = OneSeriesSerializer(many=True)


FAMILY = response_family(
    name="analytics-series-answer",
    pattern="analytics:series:{parameters}:{version}",
    holds="series of games as JSON (stored_response.StoredResponse)",
    written_by="analytics.endpoints.series.SeriesView",
)

ConditionSeries = tuple[Condition, Sequence[Series], Summary]
GamesById = dict[int, tuple[int, int]]  # crash points and end times of the games that series refer to


def compute_result(query: SeriesQuery) -> ComputedResult:
    now = now_ms()
    window = query.window(now)
    source, coverage, found, games = _series_of(query, window)
    first = None if window.kind == "all" else coverage.first_game
    results = [_condition_result(one, games, first, query.zone) for one in found]
    return result_with_meta(results, source, window, coverage, now, query.zone)


def _series_of(query: SeriesQuery, window: Window) -> tuple[Source, Coverage, list[ConditionSeries], Columns]:
    sort, limit = query.validated_data["sort"], query.validated_data["limit"]
    if window.kind == "all" and (kept := sources.all_series(query.conditions, sort, limit)) is not None:
        source, coverage, rows, games = kept
        return source, coverage, [(one.condition, one.series, one.summary) for one in rows], games
    source, data = sources.window_with_context(window, query.conditions)
    found = [_computed_series(data, condition, sort, limit) for condition in query.conditions]
    return source, data.window.coverage, found, data.context


def _computed_series(data: WindowWithContext, condition: Condition, sort: str, limit: int) -> ConditionSeries:
    coverage = data.window.coverage
    if coverage.first_game is None or coverage.last_game is None:
        return condition, [], Summary(0, None, None, None)
    found = runs(data.context, condition)
    indices = overlapping(found, coverage.first_game, coverage.last_game)
    chosen = sorted_by_length(found, indices) if sort == "length" else indices
    totals = summary(found, indices, reaches_newest=data.reaches_newest)
    return condition, found.take(chosen[:limit]), totals


def _condition_result(found: ConditionSeries, games: Columns, first_game: int | None, zone: ZoneInfo) -> dict[str, Any]:
    condition, series, totals = found
    by_id = games.at([game_id for one in series for game_id in one.ids])
    return {
        "condition": str(condition),
        "summary": {
            "count": totals.count,
            "longest": totals.longest,
            "current": totals.current,
            "mean": None if totals.mean is None else round(totals.mean, 4),
        },
        "series": [_series_row(one, by_id, first_game, zone) for one in series],
    }


def _series_row(series: Series, by_id: GamesById, first_game: int | None, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "start_game": series.start,
        "end_game": series.end,
        "start_time": local_time(by_id[series.start][1], zone),
        "end_time": local_time(by_id[series.end][1], zone),
        "length": series.length,
        "closed_by": None
        if series.is_open
        else {"game_id": series.closer, "crash_point": to_number(by_id[series.closer][0])},
        "follow_streak": series.streak,
        "starts_before_window": first_game is not None and series.start < first_game,
    }


@extend_schema(parameters=[SeriesQuery], responses=response_of(SeriesSerializer))
class SeriesView(AnalyticsView):
    """Droughts: games in a row that did not meet a condition, each reported whole. They change no probability."""

    url_name = "series"
    query_class = SeriesQuery
    policy = Policy(family=FAMILY, namespace=ANALYTICS)
    compute_result = staticmethod(compute_result)
    standard_queries = staticmethod(one_query_per_condition)
