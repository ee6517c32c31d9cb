"""The number of games that met each condition, per interval of a window of time."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from analytics import sources
from analytics.columns import Slice, Window
from analytics.compute.intervals import Grid, Intervals, grid_covering, intervals
from analytics.endpoints.base import AnalyticsView, one_query_per_condition, response_family, response_of
from analytics.endpoints.common import local_time, percentage, result_with_meta
from analytics.live.keys import ANALYTICS
from analytics.query.conditions import ConditionQuery
from analytics.query.row_limit import reject_too_many_rows
from analytics.query.windows import HOUR_MS, WindowQuery
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult, Policy
from cachecore.responses.times import TimeField
from games.query import WholeField

MINUTE_MS = 60 * 1000
DAY_MINUTES = 24 * 60


class IntervalsQuery(ConditionQuery, WindowQuery):
    """Default: the last 24 hours in intervals of ten minutes."""

    interval = WholeField(default=10, min_value=1, max_value=DAY_MINUTES, help_text="Minutes; divides a day.")

    default_window = ("hours", Decimal(24))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if DAY_MINUTES % attrs["interval"]:
            raise serializers.ValidationError({"interval": [f"Must divide a day ({DAY_MINUTES} minutes)."]})
        for name in ("games", "all"):
            if name in attrs:
                raise serializers.ValidationError({name: ["Not allowed for intervals: give hours or since/until."]})
        if "hours" in attrs and attrs["hours"] * 60 % attrs["interval"]:
            raise serializers.ValidationError({"hours": [f"Must be a multiple of {attrs['interval']} minutes."]})
        return attrs

    @property
    def width_ms(self) -> int:
        return int(self.validated_data["interval"]) * MINUTE_MS

    def window(self, now_ms: int) -> Window:
        """Return the window; `hours` is widened to whole aligned intervals, the last of which is open and ends now."""
        window = super().window(now_ms)
        if window.kind == "hours":
            end = (now_ms // self.width_ms + 1) * self.width_ms
            length = int(self.validated_data["hours"] * HOUR_MS)
            window = Window("hours", window.requested, from_ms=end - length, to_ms=now_ms)
        rows = grid_covering(window.from_ms, window.to_ms, self.width_ms).n * len(self.conditions)
        reject_too_many_rows("interval", rows)
        return window

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from self.condition_parameters()
        yield "interval", self.validated_data["interval"]
        yield from self.window_parameters()


class IntervalSerializer(serializers.Serializer[Any]):
    start = TimeField()
    end = TimeField()
    count = serializers.IntegerField()
    games = serializers.IntegerField()
    percentage = serializers.FloatField(allow_null=True)
    complete = serializers.BooleanField(help_text="False for the open interval and for those before the data.")


class IntervalsSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField()
    interval_minutes = serializers.IntegerField()
    intervals = IntervalSerializer(many=True)


FAMILY = response_family(
    name="analytics-interval",
    pattern="analytics:interval:{parameters}:{version}",
    holds="counts per interval as JSON (stored_response.StoredResponse)",
    written_by="analytics.endpoints.intervals.IntervalsView",
)


def compute_result(query: IntervalsQuery) -> ComputedResult:
    now = now_ms()
    window = query.window(now)
    source, [games] = sources.slices_of([window])
    grid = grid_covering(window.from_ms, window.to_ms, query.width_ms)
    found = intervals(games.columns, query.conditions, grid)
    results = [_condition_result(one, grid, window, games, query.zone) for one in found]
    return result_with_meta(results, source, window, games.coverage, now, query.zone, boundary_ms=query.width_ms)


def _condition_result(found: Intervals, grid: Grid, window: Window, games: Slice, zone: ZoneInfo) -> dict[str, Any]:
    """Return the rows; an interval is complete if it lies in the window and the data reach back to its start."""
    since_ms = _data_since_ms(games, window)
    starts, counts, totals = grid.starts_ms.tolist(), found.counts.tolist(), found.games.tolist()
    edges = [local_time(edge, zone) for edge in (*starts, grid.end_ms)]
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
        for start, (begins, ends), count, played in zip(starts, pairwise(edges), counts, totals, strict=True)
    ]
    return {
        "condition": str(found.condition),
        "interval_minutes": grid.width_ms // 60_000,
        "intervals": rows,
    }


def _data_since_ms(games: Slice, window: Window) -> int | None:
    """Return the time since which the data have no gap, or None if there are no data."""
    if games.reaches_back:
        return window.from_ms
    return int(games.columns.end_ms.min()) if len(games.columns) else None


@extend_schema(
    parameters=[IntervalsQuery, OpenApiParameter("games", exclude=True), OpenApiParameter("all", exclude=True)],
    responses=response_of(IntervalsSerializer),
)
class IntervalsView(AnalyticsView):
    """The number of games that met a condition, per interval. Empty intervals are included, with null percentages."""

    url_name = "intervals"
    query_class = IntervalsQuery
    policy = Policy(family=FAMILY, namespace=ANALYTICS)
    compute_result = staticmethod(compute_result)
    standard_queries = staticmethod(one_query_per_condition)
