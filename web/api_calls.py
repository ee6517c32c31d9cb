"""What the API answers at a URL, for a page of the same process: same cache, same key, computed once for both."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from cachecore.responses.caching import ComputedResult, Policy, get_or_compute
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
    compute: Callable[[], ComputedResult],
    identity: tuple[tuple[str, object], ...] = (),
    before_computing: Callable[[], None] = lambda: None,
) -> Answer:
    """`query` is valid; `identity` comes first in the key, as in the API's view.

    Raises what `compute` and `before_computing` raise.
    """
    answered = get_or_compute(policy, [*identity, *query.parameters()], compute, before_computing)
    return Answer(url_of(path, query.initial_data), msgspec.json.decode(answered.stored.body), answered.outcome)


def url_of(path: str, parameters: Mapping[str, Any]) -> str:
    return f"{path}?{urlencode(parameters, safe=',/:')}" if parameters else path
