"""Pages about games: thin views over what the API answers."""

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
from web.api_calls import Answer, ask, url_of
from web.database_unavailable import needs_database
from web.game_pages.verifier import VerifyQuery, verified
from web.page_parameters import Errors, Parameters, errors_of, parameters_of, with_offsets
from web.rate_limit_pages import as_page

PER_PAGE = (10, 25, 50, 100)
DEFAULT_PER_PAGE = 25
LIST_PATH = "/api/games/"

page_headers = cache_control(private=True, no_cache=True)  # a page shows its moment; its parts are cached


@require_safe
@page_headers
@gzip_page
@rate_limited("games", as_page)
@needs_database
def games(request: HttpRequest, slot: RateLimitSlot) -> HttpResponse:
    """The table with its filters and pages, all of it in the URL."""
    query, given, errors = _asked(request, GamesQuery, per_page=str(DEFAULT_PER_PAGE))
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
        answer = ask(LIST_PATH, LIST, query, lambda: ComputedResult(selectors.game_page(query)), before_computing=slot)
    except NotFound as error:
        context["errors"] = {"page": [str(error.detail)]}
        return render(request, "games/list.html", context, status=404)
    filters = {name: text for name, text in query.initial_data.items() if name not in ("page", "per_page")}
    context |= {
        "answer": answer.body,
        "api": answer.url,
        "export": url_of(f"{LIST_PATH}export/", filters),
        "zone": query.zone.key,
        "site": settings.SITE,
    }
    with timezone.override(query.zone):
        return render(request, "games/list.html", context)


@require_safe
@page_headers
@gzip_page
@rate_limited("games", as_page)
@needs_database
def game(request: HttpRequest, slot: RateLimitSlot, game_id: int) -> HttpResponse:
    """One game and its verification, step by step."""
    query, _, errors = _asked(request, ZoneQuery)
    if query is None:
        return render(request, "400.html", {"errors": errors}, status=400)
    try:
        facts, check = _facts(game_id, query, slot), _check(game_id, query, slot)
    except NotFound as error:
        raise Http404(str(error.detail)) from error
    context = {
        "game": facts.body,
        "check": check.body,
        "around": sorted({game_id, *selectors.games_by_id([game_id - 1, game_id + 1])}),
        "api": [facts.url, check.url],
        "zone": query.zone.key,
    }
    with timezone.override(query.zone):
        return render(request, "games/detail.html", context)


@require_safe
@page_headers
@gzip_page
@rate_limited("games", as_page)
def verify(request: HttpRequest, slot: RateLimitSlot) -> HttpResponse:
    """Any hash, by the server and again in the browser. Needs neither database nor Redis."""
    context: dict[str, Any] = {"sites": fairness.SITES, "given": request.GET}
    if not request.GET.keys() - {"site", "tz"}:
        return render(request, "games/verify.html", context)
    query, given, errors = _asked(request, VerifyQuery)
    if query is None:
        return render(request, "games/verify.html", context | {"given": given, "errors": errors}, status=400)
    slot()
    return render(request, "games/verify.html", context | verified(query) | {"given": given, "zone": query.zone.key})


def _asked(request: HttpRequest, query_class: type[Any], **defaults: str) -> tuple[Any, Parameters, Errors]:
    """The valid query, or None and why; what was given, for the form to show again."""
    try:
        given = parameters_of(request, query_class().fields)
    except ValidationError as error:
        return None, {}, _messages(error)
    query = query_class(data=defaults | with_offsets(given))
    return (query, given, {}) if query.is_valid() else (None, given, errors_of(query))


def _per_page(given: Parameters) -> int:
    """What the form shows: what was chosen, also beside an error."""
    text = given.get("per_page", "")
    return int(text) if text in map(str, PER_PAGE) else DEFAULT_PER_PAGE


def _messages(error: ValidationError) -> Errors:
    found: Any = error.detail
    return {name: [str(message) for message in messages] for name, messages in found.items()}


def _facts(game_id: int, query: Query, slot: RateLimitSlot) -> Answer:
    def compute() -> ComputedResult:
        with timezone.override(query.zone):
            return ComputedResult(GameSerializer(selectors.game(game_id)).data)

    return ask(f"{LIST_PATH}{game_id}/", SINGLE, query, compute, (("id", game_id),), slot)


def _check(game_id: int, query: Query, slot: RateLimitSlot) -> Answer:
    def compute() -> ComputedResult:
        return ComputedResult(selectors.verification(selectors.game(game_id)))

    return ask(f"{LIST_PATH}{game_id}/verification/", VERIFICATION, query, compute, (("id", game_id),), slot)
