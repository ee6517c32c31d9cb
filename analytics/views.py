"""The analytics API: thin views over answers."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics import keys, query, selectors, serializers
from analytics.endpoints import audit, distribution, game_sets, intervals, last_games, occurrences, series, volatility
from analytics.live.keys import ANALYTICS
from analytics.serializers import answer_of
from cachecore.keys import Family
from cachecore.responses.caching import ComputedResult, Policy, cached_response
from games.query import Query, ZoneQuery


class PublicView(APIView):
    """Nobody is asked who reads: the answers are public, and must not vary by cookie."""

    authentication_classes = []
    throttle_scope = "analytics"


class AnswerView(PublicView):
    """A query in, its answer out, kept until the next version."""

    query_class: type[Query]
    policy: Policy
    answer: Callable[[Any], ComputedResult]  # a staticmethod

    def get(self, request: Request) -> HttpResponseBase:
        asked = self.query_class.of(request)
        return cached_response(request, self.policy, asked.parameters(), lambda: self.answer(asked))


def _policy(family: Family) -> Policy:
    return Policy(family=family, namespace=ANALYTICS)


@extend_schema(parameters=[query.OccurrencesQuery], responses=answer_of(serializers.OccurrencesSerializer))
class OccurrencesView(AnswerView):
    """How often games met a condition, in a window; if asked beside the window before."""

    query_class, policy, answer = query.OccurrencesQuery, _policy(keys.OCCURRENCES), staticmethod(occurrences.answer)


@extend_schema(
    parameters=[query.IntervalsQuery, OpenApiParameter("games", exclude=True), OpenApiParameter("all", exclude=True)],
    responses=answer_of(serializers.IntervalsSerializer),
)
class IntervalsView(AnswerView):
    """How often games met a condition, interval by interval; empty intervals are there, with null percentages."""

    query_class, policy, answer = query.IntervalsQuery, _policy(keys.INTERVALS), staticmethod(intervals.answer)


@extend_schema(parameters=[query.GameSetsQuery], responses=answer_of(serializers.GameSetsSerializer))
class GameSetsView(AnswerView):
    """How often games met a condition, in sets of consecutive games; a part of a set is never scaled up."""

    query_class, policy, answer = query.GameSetsQuery, _policy(keys.GAME_SETS), staticmethod(game_sets.answer)


@extend_schema(parameters=[query.SeriesQuery], responses=answer_of(serializers.SeriesSerializer))
class SeriesView(AnswerView):
    """Droughts: games in a row that did not meet a condition, each reported whole. They change no chance."""

    query_class, policy, answer = query.SeriesQuery, _policy(keys.SERIES), staticmethod(series.answer)


@extend_schema(parameters=[query.LastGamesQuery], responses=answer_of(serializers.LastGamesSerializer))
class LastGamesView(AnswerView):
    """The newest games that met a condition. The chance of the next game does not depend on the games since."""

    query_class, policy, answer = query.LastGamesQuery, _policy(keys.LAST_GAMES), staticmethod(last_games.answer)


@extend_schema(parameters=[query.DistributionQuery], responses=answer_of(serializers.DistributionSerializer))
class DistributionView(AnswerView):
    """How the crash points spread over bins, beside what the site's formula expects."""

    query_class, policy, answer = query.DistributionQuery, _policy(keys.DISTRIBUTION), staticmethod(distribution.answer)


@extend_schema(parameters=[query.VolatilityQuery], responses=answer_of(serializers.VolatilitySerializer))
class VolatilityView(AnswerView):
    """Mean and deviation of ln(crash point), block by block. The crash point itself has no mean: it is infinite."""

    query_class, policy, answer = query.VolatilityQuery, _policy(keys.VOLATILITY), staticmethod(volatility.answer)


@extend_schema(parameters=[query.AuditQuery], responses=answer_of(serializers.AuditSerializer))
class AuditView(AnswerView):
    """Hashes, chain, gaps, and a chi-square against the formula. A good fit never replaces the hashes."""

    query_class, policy, answer = query.AuditQuery, _policy(keys.AUDIT), staticmethod(audit.answer)


class StatusView(PublicView):
    """The state of the live view. Never cached: it is what tells how far the cached answers are."""

    @extend_schema(parameters=[ZoneQuery], responses=serializers.StatusSerializer)
    def get(self, request: Request) -> Response:
        zone = ZoneQuery.of(request).zone
        return Response(selectors.status(zone), headers={"X-Cache": "BYPASS", "Cache-Control": "no-store"})
