"""The registry of key families: one line answers every question about a key.

Apps declare their families beside what writes them (`games/keys.py`, `analytics/live/keys.py`) and
format keys only through `Family.key`.
"""

import hashlib
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

Role = Literal["cache", "state"]

MAX_PARAMETERS_LENGTH = 200  # characters; longer parameter lists are hashed
MAX_PART_LENGTH = 200  # characters; a longer part of a cache key is hashed

# What a part of a cache key may hold as it is; anything else (spaces, newlines, braces, *, other scripts) is hashed.
_SAFE = re.compile(r"[A-Za-z0-9_.,:/@=~+\-]*")
_HASHED = "blake2:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """How the cache service (cachecore/service.py) treats a family's values. Times are seconds.

    `soft`: after it a value is stale: one caller refreshes, the others keep it until the TTL. `near`: kept in the
    process too. `background`: a stale value is refreshed by a thread. `factory_soft`, `factory_hard`: what a caller
    waits for the factory with and without a stale value; the factory itself goes on and its value is stored.
    """

    tier: str = ""  # a name in cachecore.tiers.TIERS; its TTL counts instead of the family's
    soft: float | None = None
    near: bool = False
    background: bool = False
    sensitive: bool = False
    compressed: bool = True  # above 1 KiB, where it helps
    encoding: Literal["msgpack", "json"] = "msgpack"
    value_type: Any = Any  # what a value is decoded as (anything msgspec knows)
    beta: float = 1.0  # XFetch: above 1 refreshes earlier, 0 never early
    negative: float = 5.0  # the TTL of NOT_FOUND
    lease: float | None = None  # how long a dead holder delays the others; None: CACHE_LEASE_SECONDS
    factory_soft: float | None = None
    factory_hard: float | None = None


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
    options: CacheOptions = field(default_factory=CacheOptions)

    def __post_init__(self) -> None:
        if self.ttl_seconds is None and not self.bounded_by:
            raise ValueError(f"family {self.name} has no TTL: say what bounds it")
        registry[self.name] = self

    def key(self, **parts: object) -> "Key":
        """The key itself. Raises KeyError for a missing part and ValueError for a superfluous one.

        A part of a cache key that could be mistaken for something else is hashed, see `safe_part`.
        """
        fields = self._fields()
        superfluous = parts.keys() - fields
        if superfluous:
            raise ValueError(f"family {self.name} has no part {', '.join(sorted(superfluous))}")
        if self.role == "cache":
            parts = {name: self._safe(name, part, len(fields)) for name, part in parts.items()}
        return Key(self.pattern.format(**parts), self)

    @property
    def prefix(self) -> str:
        """What every key of the family begins with: the pattern up to its first variable part."""
        prefix = ""
        for literal, field_name, _, _ in string.Formatter().parse(self.pattern):
            prefix += literal
            if field_name is not None:
                break
        return prefix

    def _safe(self, name: str, part: object, parts: int) -> str:
        # `parameters` were joined by canonical_parameters, whose colons and hash are part of the key's grammar.
        if name == "parameters":
            return safe_part(part, colons=True, hashed=True)
        return safe_part(part, colons=parts == 1)

    def _fields(self) -> frozenset[str]:
        return _fields_of(self.pattern)


class Key(str):
    """A key that knows its family. Made by `Family.key` only."""

    __slots__ = ("family",)
    family: Family

    def __new__(cls, text: str, family: Family) -> "Key":
        key = super().__new__(cls, text)
        key.family = family
        return key

    def __reduce__(self) -> tuple[Any, ...]:
        return _key_of, (str(self), self.family.name)


def _key_of(text: str, family_name: str) -> Key:
    return Key(text, registry[family_name])


@cache
def _fields_of(pattern: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(pattern) if name)


registry: dict[str, Family] = {}


def literal_key(key: str, key_prefix: str, version: int | str) -> str:
    """django-redis KEY_FUNCTION: a key in Redis reads exactly as its family prints it."""
    return key


def canonical_parameters(parameters: Iterable[tuple[str, object]]) -> str:
    """`page:1:per_page:10:tz:UTC` in the order given; hashed when long, so that a key stays readable and short.

    The values must already be canonical: this function only joins them.
    """
    text = ":".join(f"{name}:{value}" for name, value in parameters)
    return text if len(text) <= MAX_PARAMETERS_LENGTH else _hash(text)


def safe_part(part: object, *, colons: bool, hashed: bool = False) -> str:
    """A part as it stands in a key: itself when short and plain, else its hash, so that two parts never meet.

    `colons`: whether a colon is unambiguous here (in the only part of a pattern). `hashed`: whether the part may
    be a hash already; elsewhere a text that looks like one is hashed itself.
    """
    text = str(part)
    plain = len(text) <= MAX_PART_LENGTH and _SAFE.fullmatch(text) is not None
    if plain and (colons or ":" not in text) and (hashed or not text.startswith(_HASHED)):
        return text
    return _hash(text)


def _hash(text: str) -> str:
    # surrogatepass: a lone surrogate from a client is a text like any other.
    return _HASHED + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
