"""The parameters of a page: those of the API, but a form may leave them empty and name times without an offset."""

from collections.abc import Collection
from datetime import datetime
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from rest_framework.exceptions import ValidationError

from games.query import Query, zone_names

Parameters = dict[str, str]
Errors = dict[str, list[str]]

TIMES = ("since", "until")


def parameters_of(request: HttpRequest, known: Collection[str]) -> Parameters:
    """The given ones; empty fields of a form count as not given. Raises ValidationError."""
    errors = {
        name: ["Unknown parameter." if name not in known else "Given more than once."]
        for name, values in request.GET.lists()
        if name not in known or len(values) > 1
    }
    if errors:
        raise ValidationError(errors)
    return {name: text for name, values in request.GET.lists() if (text := str(values[0])).strip()}


def errors_of(query: Query) -> Errors:
    """Of a query that is not valid."""
    return {name: [str(message) for message in messages] for name, messages in query.errors.items()}


def with_offsets(parameters: Parameters) -> Parameters:
    """Times without an offset, as a browser's field gives them, are meant in the page's zone."""
    name = parameters.get("tz", "UTC")
    zone = ZoneInfo(name) if name in zone_names() else ZoneInfo("UTC")
    return parameters | {name: _with_offset(parameters[name], zone) for name in TIMES if name in parameters}


def _with_offset(text: str, zone: ZoneInfo) -> str:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text  # the query says what is wrong with it
    return time.replace(tzinfo=zone).isoformat() if time.tzinfo is None else text
