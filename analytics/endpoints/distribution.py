"""The distribution of a window's crash points over bins, and the one that the site's law expects."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers

from analytics import sources
from analytics.compute.distribution import CHART_EDGES, DEFAULT_EDGES, Bin, distribution
from analytics.endpoints.base import AnalyticsView, response_family, response_of
from analytics.endpoints.common import percentage, result_with_meta, site_law
from analytics.live.keys import ANALYTICS
from analytics.query.windows import WindowQuery
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult, Policy
from games.crash_points import format_hundredths, parse_hundredths, to_number
from games.query import MAX_QUERY_HUNDREDTHS

MAX_EDGES = 200


def bins_parameter(edges: Sequence[int]) -> str:
    """Return the edges of bins as a `bins` parameter: (100, 250) -> "1,2.5"."""
    return ",".join(map(format_hundredths, edges))


@extend_schema_field({"type": "string", "example": "1,1.5,2,10"})
class EdgesField(serializers.Field):  # type: ignore[type-arg]
    """The crash points at which bins begin, ascending, the first at 1: `1,2,10` -> (100, 200, 1000)."""

    def to_internal_value(self, data: Any) -> tuple[int, ...]:
        items = str(data).split(",")
        if len(items) > MAX_EDGES:
            raise serializers.ValidationError(f"Expected at most {MAX_EDGES} values, got {len(items)}.")
        try:
            edges = tuple(parse_hundredths(item.strip()) for item in items)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        if edges[0] != 100 or any(later <= earlier for earlier, later in pairwise(edges)):
            raise serializers.ValidationError("Must begin with 1, in ascending order.")
        if edges[-1] > MAX_QUERY_HUNDREDTHS:
            raise serializers.ValidationError(f"Must be at most {format_hundredths(MAX_QUERY_HUNDREDTHS)}.")
        return edges

    def to_representation(self, value: Sequence[int]) -> str:
        return bins_parameter(value)


class DistributionQuery(WindowQuery):
    """Default: the last 10,000 games."""

    bins = EdgesField(default=DEFAULT_EDGES, help_text="Crash points at which bins begin: 1,1.5,2,10.")

    default_window = ("games", 10_000)

    @property
    def edges(self) -> tuple[int, ...]:
        edges: tuple[int, ...] = self.validated_data["bins"]
        return edges

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        if self.edges != DEFAULT_EDGES:
            yield "bins", bins_parameter(self.edges)


class BinSerializer(serializers.Serializer[Any]):
    to = serializers.FloatField(allow_null=True, help_text="Exclusive upper bound of the bin; null: no bound.")
    count = serializers.IntegerField()
    percentage = serializers.FloatField(allow_null=True)
    expected_count = serializers.FloatField()
    expected_percentage = serializers.FloatField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `from` here, because it is a keyword of Python."""
        return {"from": serializers.FloatField()} | super().get_fields()


class DistributionSerializer(serializers.Serializer[Any]):
    games = serializers.IntegerField()
    bins = BinSerializer(many=True)


FAMILY = response_family(
    name="analytics-distribution",
    pattern="analytics:distribution:{parameters}:{version}",
    holds="counts per bin as JSON (stored_response.StoredResponse)",
    written_by="analytics.endpoints.distribution.DistributionView",
)


def compute_result(query: DistributionQuery) -> ComputedResult:
    now = now_ms()
    window = query.window(now)
    source, [found] = sources.slices_of([window])
    games = len(found.columns)
    bins = distribution(found.columns, query.edges, site_law())
    results = [{"games": games, "bins": bin_rows(bins, games)}]
    return result_with_meta(results, source, window, found.coverage, now, query.zone)


def bin_rows(bins: Sequence[Bin], games: int) -> list[dict[str, Any]]:
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


def _standard_queries() -> Iterator[str]:
    yield ""
    yield f"bins={quote(bins_parameter(CHART_EDGES))}"  # the dashboard's chart


@extend_schema(parameters=[DistributionQuery], responses=response_of(DistributionSerializer))
class DistributionView(AnalyticsView):
    """The distribution of crash points over bins, and the one that the site's formula expects."""

    url_name = "distribution"
    query_class = DistributionQuery
    policy = Policy(family=FAMILY, namespace=ANALYTICS)
    compute_result = staticmethod(compute_result)
    standard_queries = staticmethod(_standard_queries)
