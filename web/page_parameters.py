"""The parameters of a page: those of the API, but a form may leave them empty and send times without a UTC offset."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from rest_framework.exceptions import ValidationError

from games.query import Query, find_zone

Parameters = dict[str, str]
Errors = dict[str, list[str]]

TIMES = ("since", "until")


def page_parameters(request: HttpRequest, names: Collection[str]) -> Parameters:
    """Return the parameters of these names that are not empty. Raise ValidationError for one that is given twice.

    Others are ignored: a link that was shared, mailed or advertised carries some of its own (utm_source, fbclid). The
    API, which programs call, refuses them.
    """
    given = {name: values for name, values in request.GET.lists() if name in names}
    if errors := {name: ["Given more than once."] for name, values in given.items() if len(values) > 1}:
        raise ValidationError(errors)
    return {name: text for name, values in given.items() if (text := str(values[0])).strip()}


def query_errors(query: Query) -> Errors:
    """Return the messages of an invalid query, by parameter."""
    return _as_text(query.errors)


def error_messages(error: ValidationError) -> Errors:
    """Return the messages of an error that was raised with a mapping, by parameter."""
    return _as_text(error.detail)


def _as_text(detail: Any) -> Errors:
    return {name: [str(message) for message in messages] for name, messages in detail.items()}


def add_utc_offsets(parameters: Parameters) -> Parameters:
    """Return the parameters with the page's zone added to times without an offset, as a browser's field sends them."""
    zone = find_zone(parameters.get("tz", "")) or ZoneInfo("UTC")
    return parameters | {name: _add_utc_offset(parameters[name], zone) for name in TIMES if name in parameters}


def _add_utc_offset(text: str, zone: ZoneInfo) -> str:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text  # validating the query reports what is wrong with it
    return time.replace(tzinfo=zone).isoformat() if time.tzinfo is None else text
