"""Mean and deviation of ln(crash point), block by block, and those that the site's law expects."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from analytics import sources
from analytics.compute.volatility import Block, expected, volatility
from analytics.endpoints.base import AnalyticsView, response_family, response_of
from analytics.endpoints.common import local_time, result_with_meta, site_law
from analytics.live.keys import ANALYTICS
from analytics.query.row_limit import reject_too_many_rows
from analytics.query.windows import WindowQuery
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult, Policy
from cachecore.responses.times import TimeField
from games.query import WholeField

DIGITS = 6


class VolatilityQuery(WindowQuery):
    """Default: the last 1,000 games in blocks of a hundred."""

    size = WholeField(default=100, min_value=2, max_value=10_000, help_text="Games in a block.")

    default_window = ("games", 1_000)

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield "size", self.validated_data["size"]


class BlockSerializer(serializers.Serializer[Any]):
    first_game = serializers.IntegerField()
    last_game = serializers.IntegerField()
    start = TimeField(allow_null=True)
    end = TimeField(allow_null=True)
    games = serializers.IntegerField()
    mean = serializers.FloatField(help_text="Mean of ln(crash point).")
    deviation = serializers.FloatField(
        allow_null=True, help_text="Sample standard deviation of ln(crash point); null for a single game."
    )
    complete = serializers.BooleanField()


class VolatilitySerializer(serializers.Serializer[Any]):
    size = serializers.IntegerField()
    expected_mean = serializers.FloatField()
    expected_deviation = serializers.FloatField()
    blocks = BlockSerializer(many=True, help_text="Newest first; the oldest may hold fewer games.")


FAMILY = response_family(
    name="analytics-volatility",
    pattern="analytics:volatility:{parameters}:{version}",
    holds="moments per block as JSON (stored_response.StoredResponse)",
    written_by="analytics.endpoints.volatility.VolatilityView",
)


def compute_result(query: VolatilityQuery) -> ComputedResult:
    now, size = now_ms(), query.validated_data["size"]
    window = query.window(now)
    source, [found] = sources.slices_of([window])
    reject_too_many_rows("size", -(-len(found.columns) // size))
    law = expected(site_law())
    result = {
        "size": size,
        "expected_mean": round(law.mean, DIGITS),
        "expected_deviation": round(law.deviation, DIGITS),
        "blocks": [_block_row(one, size, query.zone) for one in volatility(found.columns, size)],
    }
    return result_with_meta([result], source, window, found.coverage, now, query.zone)


def _block_row(block: Block, size: int, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "first_game": block.first_game,
        "last_game": block.last_game,
        "start": local_time(block.start_ms, zone),
        "end": local_time(block.end_ms, zone),
        "games": block.games,
        "mean": round(block.mean, DIGITS),
        "deviation": None if block.deviation is None else round(block.deviation, DIGITS),
        "complete": block.games == size,
    }


@extend_schema(parameters=[VolatilityQuery], responses=response_of(VolatilitySerializer))
class VolatilityView(AnalyticsView):
    """Mean and deviation of ln(crash point), block by block. The crash point itself has no mean: it is infinite."""

    url_name = "volatility"
    query_class = VolatilityQuery
    policy = Policy(family=FAMILY, namespace=ANALYTICS)
    compute_result = staticmethod(compute_result)
