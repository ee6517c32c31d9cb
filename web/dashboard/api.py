"""Call the analytics endpoints from the dashboard, with their own query, policy and result, but without a request."""

from typing import Any

from django.urls import reverse

from analytics.endpoints.base import AnalyticsView
from web.api_calls import ApiResult, call_api

Row = dict[str, Any]


def call_endpoint(view: type[AnalyticsView], zone: str, **parameters: str) -> ApiResult:
    """Return the endpoint's result, from the cache if it is there. Raises ValidationError, django.db.Error."""
    query = view.query_class(data=parameters if zone == "UTC" else {**parameters, "tz": zone})
    query.is_valid(raise_exception=True)
    return call_api(reverse(view.url_name), view.policy, query, lambda: view.compute_result(query))


def single_result(call: ApiResult) -> Row:
    """Return the only result of a call with one condition or none."""
    result: Row = call.body["results"][0]
    return result


def is_live(call: ApiResult) -> bool:
    return bool(call.body["meta"]["source"] == "live")
