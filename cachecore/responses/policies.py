"""Policies of the response cache, one per view, and the result that a view computes."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from cachecore.keys import Family
from cachecore.responses.stored_response import StoredResponse
from cachecore.ttl import effective_ttl
from cachecore.versions import Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Makes a view's responses cacheable and public: one response serves every caller.

    The family's `written_by` is the view's dotted path.
    """

    family: Family
    namespace: Namespace

    def __post_init__(self) -> None:
        if self.family.options.value_type is not StoredResponse:
            raise ValueError(f"family {self.family.name} stores responses: declare it with options=RESPONSE_OPTIONS")
        policies[self.family.name] = self

    @property
    def ttl_ms(self) -> int:
        return round(effective_ttl.ttl_of(self.family) * 1000)


policies: dict[str, Policy] = {}


class ComputedResult(NamedTuple):
    """The result of a view's computation.

    `fresh_ms` shortens the family's TTL, for example to the end of the current interval; 0: the response is not stored.
    """

    payload: Any
    fresh_ms: int | None = None
