"""The analytics API: thin views over selectors."""

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analytics import keys, selectors
from analytics.live.keys import ANALYTICS
from analytics.query import IntervalsQuery, OccurrencesQuery
from analytics.serializers import (
    IntervalsAnswerSerializer,
    OccurrencesAnswerSerializer,
    StatusSerializer,
)
from cachecore.responses import Policy, cached
from games.query import ZoneQuery

OCCURRENCES = Policy(family=keys.OCCURRENCES, namespace=ANALYTICS)
INTERVALS = Policy(family=keys.INTERVALS, namespace=ANALYTICS)


class PublicView(APIView):
    """Nobody is asked who reads: the answers are public, and must not vary by cookie."""

    authentication_classes = []


class OccurrencesView(PublicView):
    """How often games met a condition, in a window."""

    @extend_schema(parameters=[OccurrencesQuery], responses=OccurrencesAnswerSerializer)
    def get(self, request: Request) -> HttpResponseBase:
        query = OccurrencesQuery.of(request)
        return cached(request, OCCURRENCES, query.parameters(), lambda: selectors.occurrences_answer(query))


class IntervalsView(PublicView):
    """How often games met a condition, interval by interval; empty intervals are there, with null percentages."""

    @extend_schema(parameters=[IntervalsQuery], responses=IntervalsAnswerSerializer)
    def get(self, request: Request) -> HttpResponseBase:
        query = IntervalsQuery.of(request)
        return cached(request, INTERVALS, query.parameters(), lambda: selectors.intervals_answer(query))


class StatusView(PublicView):
    """The state of the live view. Never cached: it is what tells how far the cached answers are."""

    @extend_schema(parameters=[ZoneQuery], responses=StatusSerializer)
    def get(self, request: Request) -> Response:
        ZoneQuery.of(request)
        return Response(selectors.status(), headers={"X-Cache": "BYPASS", "Cache-Control": "no-store"})
