"""How a view's answers are kept: one policy per view."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from cachecore.keys import Family
from cachecore.responses.stored_response import StoredResponse
from cachecore.ttl import effective_ttl
from cachecore.versions import Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Whatever has a policy is public: one answer serves every caller. The family's `written_by` names the view."""

    family: Family
    namespace: Namespace

    def __post_init__(self) -> None:
        if self.family.options.value_type is not StoredResponse:
            raise ValueError(f"family {self.family.name} keeps answers: declare it with options=ANSWER")
        policies[self.family.name] = self

    @property
    def ttl_ms(self) -> int:
        return round(effective_ttl.ttl_of(self.family) * 1000)


policies: dict[str, Policy] = {}


class ComputedResult(NamedTuple):
    """What a view computed. `fresh_ms` shortens the family's TTL, e.g. to the end of the open interval; 0: not kept."""

    payload: Any
    fresh_ms: int | None = None
