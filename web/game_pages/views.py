"""Pages about games: thin views over the API's results."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe
from rest_framework.exceptions import NotFound, ValidationError

from cachecore.rate_limits.views import RateLimitSlot, rate_limited
from cachecore.responses.caching import ComputedResult
from games import fairness, selectors
from games.filters import ORDERINGS, GamesQuery
from games.query import Query, ZoneQuery
from games.serializers import GameSerializer
from games.views import LIST, SINGLE, VERIFICATION
from web.api_calls import ApiResult, build_url, call_api
from web.database_unavailable import requires_database
from web.game_pages.verifier import VerifyQuery, verify_hash
from web.page_parameters import (
    Errors,
    Parameters,
    add_utc_offsets,
    error_messages,
    page_parameters,
    query_errors,
)
from web.rate_limit_pages import rate_limit_page

PER_PAGE = (10, 25, 50, 100)
DEFAULT_PER_PAGE = 25
LIST_PATH = "/api/games/"

page_headers = cache_control(private=True, no_cache=True)  # a page shows its moment; its parts are cached


@require_safe
@page_headers
@gzip_page
@rate_limited("games", rate_limit_page)
@requires_database
def games(request: HttpRequest, slot: RateLimitSlot) -> HttpResponse:
    """Show the table of games; its filters and its page number are in the URL."""
    query, given, errors = _parse_query(request, GamesQuery, per_page=str(DEFAULT_PER_PAGE))
    context: dict[str, Any] = {
        "given": given,
        "errors": errors,
        "orderings": ORDERINGS,
        "per_page_choices": PER_PAGE,
        "per_page": _per_page(given),
    }
    if query is None:
        return render(request, "games/list.html", context, status=400)
    try:
        result = call_api(
            LIST_PATH, LIST, query, lambda: ComputedResult(selectors.game_page(query)), before_computing=slot
        )
    except NotFound as error:
        context["errors"] = {"page": [str(error.detail)]}
        return render(request, "games/list.html", context, status=404)
    filters = {name: text for name, text in query.initial_data.items() if name not in ("page", "per_page")}
    context |= {
        "result": result.body,
        "api": result.url,
        "export": build_url(f"{LIST_PATH}export/", filters),
        "zone": query.zone.key,
        "site": settings.SITE,
    }
    with timezone.override(query.zone):
        return render(request, "games/list.html", context)


@require_safe
@page_headers
@gzip_page
@rate_limited("games", rate_limit_page)
@requires_database
def game(request: HttpRequest, slot: RateLimitSlot, game_id: int) -> HttpResponse:
    """Show one game and its verification, step by step."""
    query, _, errors = _parse_query(request, ZoneQuery)
    if query is None:
        return render(request, "400.html", {"errors": errors}, status=400)
    try:
        recorded = _game_result(game_id, query, slot)
        verification = _verification_result(game_id, query, slot)
    except NotFound as error:
        raise Http404(str(error.detail)) from error
    context = {
        "game": recorded.body,
        "check": verification.body,
        "around": sorted({game_id, *selectors.games_by_id([game_id - 1, game_id + 1])}),
        "api": [recorded.url, verification.url],
        "zone": query.zone.key,
    }
    with timezone.override(query.zone):
        return render(request, "games/detail.html", context)


@require_safe
@page_headers
@gzip_page
@rate_limited("games", rate_limit_page)
def verify(request: HttpRequest, slot: RateLimitSlot) -> HttpResponse:
    """Verify any hash, on the server and again in the browser. Needs neither the database nor Redis."""
    context: dict[str, Any] = {"sites": fairness.SITES, "given": request.GET}
    if not request.GET.keys() & (VerifyQuery().fields.keys() - {"site", "tz"}):
        return render(request, "games/verify.html", context)
    query, given, errors = _parse_query(request, VerifyQuery)
    if query is None:
        return render(request, "games/verify.html", context | {"given": given, "errors": errors}, status=400)
    slot()
    return render(request, "games/verify.html", context | verify_hash(query) | {"given": given, "zone": query.zone.key})


def _parse_query(request: HttpRequest, query_class: type[Any], **defaults: str) -> tuple[Any, Parameters, Errors]:
    """Return the valid query or None, the parameters for the form to show again, and the errors."""
    try:
        given = page_parameters(request, query_class().fields)
    except ValidationError as error:
        return None, {}, error_messages(error)
    query = query_class(data=defaults | add_utc_offsets(given))
    return (query, given, {}) if query.is_valid() else (None, given, query_errors(query))


def _per_page(given: Parameters) -> int:
    """Return the page size that the form shows, which is the chosen one also if another parameter is invalid."""
    text = given.get("per_page", "")
    return int(text) if text in map(str, PER_PAGE) else DEFAULT_PER_PAGE


def _game_result(game_id: int, query: Query, slot: RateLimitSlot) -> ApiResult:
    def compute() -> ComputedResult:
        with timezone.override(query.zone):
            return ComputedResult(GameSerializer(selectors.game(game_id)).data)

    return call_api(f"{LIST_PATH}{game_id}/", SINGLE, query, compute, (("id", game_id),), slot)


def _verification_result(game_id: int, query: Query, slot: RateLimitSlot) -> ApiResult:
    def compute() -> ComputedResult:
        return ComputedResult(selectors.verification(selectors.game(game_id)))

    return call_api(f"{LIST_PATH}{game_id}/verification/", VERIFICATION, query, compute, (("id", game_id),), slot)
