"""The number of games that met each condition in a window, on request compared with the window before."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from analytics import sources
from analytics.columns import Coverage, Window
from analytics.compute.occurrences import Occurrences, occurrences
from analytics.endpoints.base import AnalyticsView, one_query_per_condition, response_family, response_of
from analytics.endpoints.common import expected_percentage, local_time, percentage, result_with_meta, site_law
from analytics.live.keys import ANALYTICS
from analytics.query.conditions import ConditionQuery
from analytics.query.windows import WindowQuery
from analytics.sources import Source
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult, Policy
from cachecore.responses.times import TimeField
from games.fairness.law import Law


class OccurrencesQuery(ConditionQuery, WindowQuery):
    """Default: the last 100 games."""

    compare = serializers.ChoiceField(
        ["previous"], required=False, help_text="previous: compare with the window before, of the same size."
    )

    @property
    def compares(self) -> bool:
        return "compare" in self.validated_data

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        if self.compares:
            yield "compare", "previous"


class CountsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    games = serializers.IntegerField()
    percentage = serializers.FloatField(allow_null=True)
    first_game_time = TimeField(allow_null=True, help_text="Time of the first game that met it.")
    last_game_time = TimeField(allow_null=True, help_text="Time of the last game that met it.")


class PreviousSerializer(CountsSerializer):
    complete = serializers.BooleanField()


class ChangeSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    percentage_points = serializers.FloatField(allow_null=True)


class OccurrencesSerializer(CountsSerializer):
    condition = serializers.CharField(help_text="For example min:10.")
    expected_percentage = serializers.FloatField(help_text="By the site's formula; independent of history.")
    previous = PreviousSerializer(required=False, allow_null=True, help_text="With compare=previous.")
    change = ChangeSerializer(required=False, allow_null=True, help_text="Null if the two cannot be compared.")
    reason = serializers.CharField(required=False, allow_null=True, help_text="Why there is no change.")


FAMILY = response_family(
    name="analytics-occurrence",
    pattern="analytics:occurrence:{parameters}:{version}",
    holds="counts over a window as JSON (stored_response.StoredResponse)",
    written_by="analytics.endpoints.occurrences.OccurrencesView",
)

Previous = tuple[Coverage, list[Occurrences]]


def compute_result(query: OccurrencesQuery) -> ComputedResult:
    now = now_ms()
    window = query.window(now)
    source, coverage, found, previous = _counted(query, window)
    law, zone = site_law(), query.zone
    results = [_condition_result(one, law, zone) for one in found]
    if query.compares:
        for position, result in enumerate(results):
            result |= _comparison(found[position], coverage, previous, position, zone)
    return result_with_meta(results, source, window, coverage, now, zone)


def _counted(query: OccurrencesQuery, window: Window) -> tuple[Source, Coverage, list[Occurrences], Previous | None]:
    if window.kind == "all":
        return *sources.all_occurrences(query.conditions), None
    before = window.previous if query.compares else None
    source, slices = sources.slices_of([window, *([before] if before else [])])
    parts = [(part.coverage, occurrences(part.columns, query.conditions)) for part in slices]
    return source, *parts[0], parts[1] if before else None


def _condition_result(found: Occurrences, law: Law, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "condition": str(found.condition),
        **_counts(found, zone),
        "expected_percentage": expected_percentage(found.condition, law),
    }


def _counts(found: Occurrences, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "count": found.count,
        "games": found.games,
        "percentage": percentage(found.count, found.games),
        "first_game_time": local_time(found.first_game_ms, zone),
        "last_game_time": local_time(found.last_game_ms, zone),
    }


def _comparison(
    found: Occurrences, coverage: Coverage, previous: Previous | None, position: int, zone: ZoneInfo
) -> dict[str, Any]:
    """Compare with the window before; if one of the two is incomplete, `change` is null and `reason` says why."""
    if previous is None:
        return {"previous": None, "change": None, "reason": "All games have no previous window."}
    earlier_coverage, earlier = previous[0], previous[1][position]
    comparison = {"previous": _counts(earlier, zone) | {"complete": earlier_coverage.complete}}
    if not coverage.complete:
        return comparison | {"change": None, "reason": "The data do not cover the whole window."}
    if not earlier_coverage.complete:
        return comparison | {"change": None, "reason": "The data do not cover the whole previous window."}
    return comparison | {"change": _change(found, earlier), "reason": None}


def _change(found: Occurrences, earlier: Occurrences) -> dict[str, Any]:
    points: float | None = None
    if found.games and earlier.games:
        points = round(float(100 * (Fraction(found.count, found.games) - Fraction(earlier.count, earlier.games))), 4)
    return {"count": found.count - earlier.count, "percentage_points": points}


@extend_schema(parameters=[OccurrencesQuery], responses=response_of(OccurrencesSerializer))
class OccurrencesView(AnalyticsView):
    """The number of games that met a condition in a window; with compare=previous also in the window before."""

    url_name = "occurrences"
    query_class = OccurrencesQuery
    policy = Policy(family=FAMILY, namespace=ANALYTICS)
    compute_result = staticmethod(compute_result)
    standard_queries = staticmethod(one_query_per_condition)
