"""The same two responses from plain DRF views, uncached and with Django's `cache_page`."""

from typing import Any

from django.urls import include, path
from django.views.decorators.cache import cache_page
from rest_framework.request import Request
from rest_framework.response import Response

from analytics.endpoints import intervals
from analytics.endpoints.base import PublicView
from games import selectors as games
from games.filters import GamesQuery

PAGE_SECONDS = 120


class Games(PublicView):
    def get(self, request: Request) -> Response:
        return Response(games.game_page(GamesQuery.of(request)))


class Intervals(PublicView):
    def get(self, request: Request) -> Response:
        return Response(intervals.compute_result(intervals.IntervalsQuery.of(request)).payload)


def _urls(decorate: Any) -> list[Any]:
    return [
        path("api/games/", decorate(Games.as_view())),
        path("api/analytics/intervals/", decorate(Intervals.as_view())),
    ]


urlpatterns = [
    path("uncached/", include(_urls(lambda view: view))),
    path("cache_page/", include(_urls(cache_page(PAGE_SECONDS, cache="pages")))),
]
