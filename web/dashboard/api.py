"""What the API's analytics answer, for the dashboard: the view's own query, policy and answer, without a request."""

from typing import Any

from django.urls import reverse

from analytics.endpoints.base import AnalyticsView
from web.api_calls import Answer, ask

Row = dict[str, Any]


def asked(view: type[AnalyticsView], zone: str, **parameters: str) -> Answer:
    """Raises ValidationError, django.db.Error."""
    given = parameters if zone == "UTC" else {**parameters, "tz": zone}
    query = view.query_class(data=given)
    query.is_valid(raise_exception=True)
    return ask(reverse(view.url_name), view.policy, query, lambda: view.compute_result(query))


def only(answer: Answer) -> Row:
    """The result of an answer to one condition or none."""
    result: Row = answer.body["results"][0]
    return result


def is_live(answer: Answer) -> bool:
    return bool(answer.body["meta"]["source"] == "live")
