"""Call the API from a page of the same process: same cache, same key, so each result is computed once for both."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from cachecore.responses.caching import ComputedResult, Policy, get_or_compute
from games.query import Query


class ApiResult(NamedTuple):
    """The API's response: a client gets the same `body` at `url`. `outcome` is the value of the header X-Cache."""

    url: str
    body: dict[str, Any]
    outcome: str


def call_api(
    path: str,
    policy: Policy,
    query: Query,
    compute: Callable[[], ComputedResult],
    identity: tuple[tuple[str, object], ...] = (),
    before_computing: Callable[[], None] = lambda: None,
) -> ApiResult:
    """Return the cached result of a valid query, or compute and store it.

    `identity` comes first in the cache key, as in the API's own view. Raises what `compute` and `before_computing`
    raise.
    """
    response = get_or_compute(policy, [*identity, *query.parameters()], compute, before_computing)
    return ApiResult(build_url(path, query.initial_data), msgspec.json.decode(response.stored.body), response.outcome)


def build_url(path: str, parameters: Mapping[str, Any]) -> str:
    return f"{path}?{urlencode(parameters, safe=',/:')}" if parameters else path
