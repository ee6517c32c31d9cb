"""Are the games fair and complete? Their hashes, the chain, the gaps, and the fit to the site's law."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from analytics import sources
from analytics.columns import Columns, Coverage, Window
from analytics.compute.audit import fit, gaps
from analytics.compute.distribution import DEFAULT_EDGES, distribution
from analytics.database.snapshots import consistent_reads
from analytics.database.window_columns import window_with_context
from analytics.endpoints.base import AnalyticsView, response_family, response_of
from analytics.endpoints.common import result_with_meta, site_law
from analytics.endpoints.distribution import BinSerializer, bin_rows
from analytics.live.keys import ANALYTICS
from analytics.query.windows import WindowQuery
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult, Policy
from games.models import Game
from games.selectors import Anomalies, find_anomalies
from games.times import from_unix_ms

LISTED = 100  # mismatched games, breaks and gaps listed, newest first, of each kind; all are counted


class AuditQuery(WindowQuery):
    """Default: every game."""

    default_window = ("all", True)


class ChainSerializer(serializers.Serializer[Any]):
    linked = serializers.IntegerField(help_text="Games whose hash leads to the previous game's.")
    broken = serializers.IntegerField()
    not_checkable = serializers.IntegerField(help_text="The previous game, a hash or the chain is unknown.")
    broken_games = serializers.ListField(child=serializers.IntegerField(), help_text="The newest 100.")


class GapSerializer(serializers.Serializer[Any]):
    first_game = serializers.IntegerField()
    last_game = serializers.IntegerField()
    games = serializers.IntegerField()


class GapsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    missing_games = serializers.IntegerField()
    ranges = GapSerializer(many=True, help_text="The newest 100.")


class FitSerializer(serializers.Serializer[Any]):
    chi_square = serializers.FloatField(allow_null=True, help_text="Null with too few games.")
    degrees_of_freedom = serializers.IntegerField(allow_null=True)
    p_value = serializers.FloatField(
        allow_null=True, help_text="Probability that a fair site shows a fit as bad as this or worse."
    )
    bins = BinSerializer(many=True)


class AuditSerializer(serializers.Serializer[Any]):
    verified = serializers.IntegerField()
    mismatched = serializers.IntegerField()
    unverifiable = serializers.IntegerField()
    mismatched_games = serializers.ListField(child=serializers.IntegerField(), help_text="The newest 100.")
    chain = ChainSerializer()
    gaps = GapsSerializer()
    fit = FitSerializer()


FAMILY = response_family(
    name="analytics-audit",
    pattern="analytics:audit:{parameters}:{version}",
    holds="verdicts, gaps and fit as JSON (stored_response.StoredResponse)",
    written_by="analytics.endpoints.audit.AuditView",
)


def compute_result(query: AuditQuery) -> ComputedResult:
    """Return the audit of a window.

    Verdicts come from the games table, the rest from the window's source. If the two do not hold the same games, all of
    it is computed from the table.
    """
    now = now_ms()
    window = query.window(now)
    source, data = sources.window_with_context(window, [])
    found = _exceptions(data.window.coverage, window)
    if found.games != data.window.coverage.games:  # some games are not yet applied to the view
        source = source.as_fallback
        with consistent_reads():
            data = window_with_context(window, [])
            found = _exceptions(data.window.coverage, window)
    coverage = data.window.coverage
    result = _verdicts(found) | {"gaps": _gaps(data.recorded), "fit": _fit(data.window.columns)}
    return result_with_meta([result], source, window, coverage, now, query.zone)


def _exceptions(coverage: Coverage, window: Window) -> Anomalies:
    games = Game.objects.filter(game_id__range=(coverage.first_game or 0, coverage.last_game or 0))
    if window.of_time:
        games = games.filter(end_time__gte=from_unix_ms(window.from_ms), end_time__lt=from_unix_ms(window.to_ms))
    return find_anomalies(games, LISTED)


def _verdicts(found: Anomalies) -> dict[str, Any]:
    return {
        "verified": found.games - found.mismatched - found.unverifiable,
        "mismatched": found.mismatched,
        "unverifiable": found.unverifiable,
        "mismatched_games": found.mismatched_games,
        "chain": {
            "linked": found.games - found.broken - found.not_checkable,
            "broken": found.broken,
            "not_checkable": found.not_checkable,
            "broken_games": found.broken_games,
        },
    }


def _gaps(recorded: Columns) -> dict[str, Any]:
    missing = gaps(recorded)
    return {
        "count": len(missing),
        "missing_games": sum(gap.games for gap in missing),
        "ranges": [{"first_game": gap.first, "last_game": gap.last, "games": gap.games} for gap in missing[:LISTED]],
    }


def _fit(games: Columns) -> dict[str, Any]:
    bins = distribution(games, DEFAULT_EDGES, site_law())
    tested = fit(bins)
    return {
        "chi_square": None if tested.chi_square is None else round(tested.chi_square, 4),
        "degrees_of_freedom": tested.degrees_of_freedom,
        "p_value": None if tested.p_value is None else round(tested.p_value, 6),
        "bins": bin_rows(bins, len(games)),
    }


@extend_schema(parameters=[AuditQuery], responses=response_of(AuditSerializer))
class AuditView(AnalyticsView):
    """Hashes, chain, gaps, and a chi-square test against the formula. A good fit never replaces the hashes."""

    url_name = "audit"
    query_class = AuditQuery
    policy = Policy(family=FAMILY, namespace=ANALYTICS)
    compute_result = staticmethod(compute_result)
