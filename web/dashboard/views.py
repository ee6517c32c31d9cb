"""`/`, the panels that it fetches when a game ends, and each panel's numbers as CSV."""

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
from web.api_calls import call_api
from web.dashboard import choices, csv_export
from web.dashboard.keys import DASHBOARD
from web.dashboard.panels import PANELS
from web.dashboard.parameters import (
    OTHERS,
    DashboardQuery,
    canonical_query_string,
    from_form,
    with_default_condition,
)
from web.dashboard.rendering import render_panels
from web.database_unavailable import database_unavailable_page, requires_database
from web.page_parameters import Errors, Parameters, error_messages, page_parameters, query_errors
from web.rate_limit_pages import rate_limit_json, rate_limit_page

POLICY = Policy(family=DASHBOARD, namespace=ANALYTICS)
FORM_ONLY = ("kind", "value")


@require_safe
@cache_control(private=True, no_cache=True)  # the page shows its moment; its panels are cached
@gzip_page
@rate_limited("analytics", rate_limit_page)
def page(request: HttpRequest, slot: RateLimitSlot) -> HttpResponse:
    """Show the dashboard, complete without JavaScript."""
    try:
        given = page_parameters(request, (*DashboardQuery().fields, *FORM_ONLY))
    except ValidationError as error:
        return _form_with_errors(request, error_messages(error))
    if given.keys() & set(FORM_ONLY):
        return HttpResponseRedirect(reverse("dashboard") + canonical_query_string(from_form(given)))
    query = _query(given)
    if not query.is_valid():
        return _form_with_errors(request, query_errors(query))
    result = call_api(reverse("dashboard-panels"), POLICY, query, lambda: render_panels(query), before_computing=slot)
    if not result.body["answered"]:
        return database_unavailable_page(request)
    context = {"panels": result.body, "panels_url": result.url, "query": query, **choices.form_context(query)}
    with timezone.override(query.zone):
        return render(request, "dashboard/page.html", context)


@require_safe
@rate_limited("analytics", rate_limit_json)
def panels(request: HttpRequest, slot: RateLimitSlot) -> HttpResponse:
    """Return the panels as `{"version", "generated_at", "panels": {name: html}}`. A cache hit never reaches Django."""
    try:
        query = _query(page_parameters(request, DashboardQuery().fields))
    except ValidationError as error:
        return JsonResponse({"detail": "Invalid input.", "errors": error.detail}, status=400)
    if not query.is_valid():
        return JsonResponse({"detail": "Invalid input.", "errors": query.errors}, status=400)
    request.before_computing = slot  # type: ignore[attr-defined]  # taken by `cached_response`
    return cached_response(request, POLICY, query.parameters(), lambda: render_panels(query))


@require_safe
@gzip_page
@rate_limited("analytics", rate_limit_page)
@requires_database
def panel_csv(request: HttpRequest, slot: RateLimitSlot, name: str) -> HttpResponse:
    """Return a panel's numbers as CSV; the parameters are those of the page."""
    if name not in PANELS:
        raise Http404(f"There is no panel {name}.")
    try:
        query = _query(page_parameters(request, DashboardQuery().fields))
    except ValidationError as error:
        return _error_page(request, error_messages(error))
    if not query.is_valid():
        return _error_page(request, query_errors(query))
    slot()  # the API results behind it may be cached, the CSV is not
    response = HttpResponse(csv_export.panel_csv(name, query), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="crash-monitor-{name}.csv"'
    return response


def _query(given: Parameters) -> DashboardQuery:
    return DashboardQuery(data=with_default_condition(given))


def _form_with_errors(request: HttpRequest, errors: Errors) -> HttpResponse:
    """Return the form as it was filled, with the errors above it."""
    fields = (*KINDS, *OTHERS)
    given = {name: text for name, text in request.GET.items() if name in fields and isinstance(text, str)}
    context = {"errors": errors, **choices.form_context_of_invalid(given)}
    return render(request, "dashboard/refused.html", context, status=400)


def _error_page(request: HttpRequest, errors: Errors) -> HttpResponse:
    return render(request, "400.html", {"errors": errors}, status=400)
