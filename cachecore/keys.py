"""The registry of key families: one line answers every question about a key.

Apps declare their families beside what writes them (`games/keys.py`, `analytics/live/keys.py`) and
format keys only through `Family.key`.
"""

import hashlib
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Role = Literal["cache", "state"]

MAX_PARAMETERS_LENGTH = 200  # characters; longer parameter lists are hashed


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of key. `ttl_seconds` None means the key stays; then `bounded_by` says what bounds it."""

    name: str
    pattern: str
    role: Role
    type: str
    ttl_seconds: int | None
    holds: str
    written_by: str
    purged_by: str
    bounded_by: str = ""

    def __post_init__(self) -> None:
        if self.ttl_seconds is None and not self.bounded_by:
            raise ValueError(f"family {self.name} has no TTL: say what bounds it")
        registry[self.name] = self

    def key(self, **parts: object) -> str:
        """The key itself. Raises KeyError for a missing part and ValueError for a superfluous one."""
        superfluous = parts.keys() - self._fields()
        if superfluous:
            raise ValueError(f"family {self.name} has no part {', '.join(sorted(superfluous))}")
        return self.pattern.format(**parts)

    @property
    def prefix(self) -> str:
        """What every key of the family begins with: the pattern up to its first variable part."""
        prefix = ""
        for literal, field, _, _ in string.Formatter().parse(self.pattern):
            prefix += literal
            if field is not None:
                break
        return prefix

    def _fields(self) -> set[str]:
        return {field for _, field, _, _ in string.Formatter().parse(self.pattern) if field}


registry: dict[str, Family] = {}


def literal_key(key: str, key_prefix: str, version: int | str) -> str:
    """django-redis KEY_FUNCTION: a key in Redis reads exactly as its family prints it."""
    return key


def canonical_parameters(parameters: Iterable[tuple[str, object]]) -> str:
    """`page:1:per_page:10:tz:UTC` in the order given; hashed when long, so that a key stays readable and short.

    The values must already be canonical: this function only joins them.
    """
    text = ":".join(f"{name}:{value}" for name, value in parameters)
    if len(text) <= MAX_PARAMETERS_LENGTH:
        return text
    return "blake2:" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
