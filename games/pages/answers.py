"""What the API answers at a URL, for a page of the same process: same cache, same key, computed once for both."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from django.http import HttpRequest

from cachecore.responses import Computed, Policy, cached
from games.query import Query


class Answer(NamedTuple):
    """`url`: where anybody may ask the same. `outcome`: its X-Cache."""

    url: str
    body: dict[str, Any]
    outcome: str


def ask(
    path: str,
    policy: Policy,
    query: Query,
    compute: Callable[[], Computed],
    identity: tuple[tuple[str, object], ...] = (),
) -> Answer:
    """`query` is valid; `identity` comes first in the key, as in the API's view. Raises what `compute` raises."""
    url = url_of(path, query.initial_data)
    response = cached(_request(url), policy, [*identity, *query.parameters()], compute)
    return Answer(url, msgspec.json.decode(response.content), response["X-Cache"])


def url_of(path: str, parameters: Mapping[str, Any]) -> str:
    return f"{path}?{urlencode(parameters, safe=',/:')}" if parameters else path


def _request(url: str) -> HttpRequest:
    """As the front door would see it: nothing in it but the URL, so nobody's headers shape a shared answer."""
    request = HttpRequest()
    request.method = "GET"
    request.path, _, request.META["QUERY_STRING"] = url.partition("?")
    return request
