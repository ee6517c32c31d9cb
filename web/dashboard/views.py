"""`/`, the panels that it fetches when a game ends, and each panel's numbers."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe
from rest_framework.exceptions import ValidationError

from analytics.conditions import KINDS
from analytics.live.keys import ANALYTICS
from cachecore.rate_limits.views import RateLimitSlot, rate_limited
from cachecore.responses.caching import Policy, cached_response
from web.api_calls import ask
from web.dashboard import choices, csv_export
from web.dashboard.keys import DASHBOARD
from web.dashboard.panels import PANELS
from web.dashboard.parameters import OTHERS, DashboardQuery, canonical, of_form, with_default
from web.dashboard.rendering import rendered
from web.database_unavailable import needs_database, unavailable
from web.page_parameters import Errors, Parameters, errors_of, parameters_of
from web.rate_limit_pages import as_json, as_page

POLICY = Policy(family=DASHBOARD, namespace=ANALYTICS)
FORM_ONLY = ("kind", "value")


@require_safe
@cache_control(private=True, no_cache=True)  # the page shows its moment; its panels are cached
@gzip_page
@rate_limited("analytics", as_page)
def page(request: HttpRequest, slot: RateLimitSlot) -> HttpResponse:
    """The first view, whole without JavaScript."""
    try:
        given = parameters_of(request, (*DashboardQuery().fields, *FORM_ONLY))
    except ValidationError as error:
        return _mend(request, _messages(error))
    if given.keys() & set(FORM_ONLY):
        return HttpResponseRedirect(reverse("dashboard") + canonical(of_form(given)))
    query = _query(given)
    if not query.is_valid():
        return _mend(request, errors_of(query))
    answer = ask(reverse("dashboard-panels"), POLICY, query, lambda: rendered(query), before_computing=slot)
    if not answer.body["answered"]:
        return unavailable(request)
    context = {"answer": answer.body, "panels_url": answer.url, "query": query, **choices.of(query)}
    with timezone.override(query.zone):
        return render(request, "dashboard/page.html", context)


@require_safe
@rate_limited("analytics", as_json)
def panels(request: HttpRequest, slot: RateLimitSlot) -> HttpResponse:
    """The panels as `{"version", "generated_at", "panels": {name: html}}`: a hit never reaches Django."""
    try:
        query = _query(parameters_of(request, DashboardQuery().fields))
    except ValidationError as error:
        return JsonResponse({"detail": "Invalid input.", "errors": error.detail}, status=400)
    if not query.is_valid():
        return JsonResponse({"detail": "Invalid input.", "errors": query.errors}, status=400)
    request.before_computing = slot  # type: ignore[attr-defined]  # `cached` takes it
    return cached_response(request, POLICY, query.parameters(), lambda: rendered(query))


@require_safe
@gzip_page
@rate_limited("analytics", as_page)
@needs_database
def sheet(request: HttpRequest, slot: RateLimitSlot, name: str) -> HttpResponse:
    """A panel's numbers as CSV, of the same parameters as the page."""
    if name not in PANELS:
        raise Http404(f"There is no panel {name}.")
    try:
        query = _query(parameters_of(request, DashboardQuery().fields))
    except ValidationError as error:
        return _refused(request, _messages(error))
    if not query.is_valid():
        return _refused(request, errors_of(query))
    slot()  # its answers may be kept, the sheet is not
    response = HttpResponse(csv_export.sheet(name, query), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="crash-monitor-{name}.csv"'
    return response


def _query(given: Parameters) -> DashboardQuery:
    return DashboardQuery(data=with_default(given))


def _mend(request: HttpRequest, errors: Errors) -> HttpResponse:
    """The form again, as it was filled."""
    known = (*KINDS, *OTHERS)
    given = {name: text for name, text in request.GET.items() if name in known and isinstance(text, str)}
    return render(request, "dashboard/refused.html", {"errors": errors, **choices.of_refused(given)}, status=400)


def _refused(request: HttpRequest, errors: Errors) -> HttpResponse:
    return render(request, "400.html", {"errors": errors}, status=400)


def _messages(error: ValidationError) -> Errors:
    found: Any = error.detail
    return {name: [str(message) for message in messages] for name, messages in found.items()}
