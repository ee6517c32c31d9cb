"""The registry of key families: one line answers every question about a key.

Apps declare their families beside what writes them (`games/keys.py`, `analytics/live/keys.py`) and
format keys only through `Family.key`.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from cachecore.patterns import Pattern, hashed
from cachecore.tiers import ANY, TIERS, Tier

Role = Literal["cache", "state"]
Encoding = Literal["msgpack", "json"]

MAX_PARAMETERS_LENGTH = 200  # characters; longer parameter lists are hashed


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """How the cache service (cachecore/service.py) treats a family's values.

    `soft_ttl_seconds`: after it the value is stale. One caller refreshes it, the others get the stale value until the
    family's TTL, the hard one. `background`: a thread refreshes it, so that no caller waits. `local`: the value is also
    kept in the process (L1). The factory time-outs limit how long a caller waits for its factory, with a stale value
    (soft) and without one (hard). The factory itself runs on, and its value is stored.
    """

    tier: str = ""  # a name in cachecore.tiers.TIERS; its TTL replaces the family's
    soft_ttl_seconds: float | None = None
    local: bool = False
    background: bool = False
    encrypted: bool = False
    compressed: bool = True  # above 1 KiB, where it helps
    encoding: Encoding = "msgpack"
    cached_before_django: bool = False  # the ASGI middleware keeps it by version, and must be told of a clearing
    value_type: Any = Any  # what a value is decoded as (anything msgspec knows)
    beta: float = 1.0  # XFetch: above 1 refreshes earlier, 0 never early
    negative_ttl_seconds: float = 5.0  # the TTL of NOT_FOUND
    lease_seconds: float | None = None  # how long a dead holder delays the others; None: CACHE_LEASE_SECONDS
    factory_soft_timeout_seconds: float | None = None
    factory_hard_timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in (
            "soft_ttl_seconds",
            "lease_seconds",
            "factory_soft_timeout_seconds",
            "factory_hard_timeout_seconds",
        ):
            seconds = getattr(self, name)
            if seconds is not None and seconds <= 0:
                raise ValueError(f"{name} must be greater than 0, not {seconds}.")
        for name in ("beta", "negative_ttl_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative: {getattr(self, name)}.")
        if self.tier and self.tier not in TIERS:
            raise ValueError(f"tier must be one of {', '.join(TIERS)}, not {self.tier!r}.")
        if self.encoding not in get_args(Encoding):
            raise ValueError(f"encoding must be msgpack or json, not {self.encoding!r}.")


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
    _pattern: Pattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.ttl_seconds is None and not self.bounded_by:
            raise ValueError(f"family {self.name} has no TTL: say what bounds it")
        object.__setattr__(self, "_pattern", Pattern(self.pattern, safe=self.role == "cache"))
        if not self.prefix:
            raise ValueError(f"family {self.name}: a pattern begins with a text of its own, or clearing it clears all")
        if registry.setdefault(self.name, self) != self:
            raise ValueError(f"there are two families of the name {self.name}")

    def key(self, **parts: object) -> "Key":
        """The key itself. Raises ValueError for a missing or superfluous part.

        A part of a cache key that could be mistaken for something else is hashed (cachecore/patterns.py).
        """
        pattern = self._pattern
        if parts.keys() != pattern.fields:
            raise ValueError(self._wrong(parts.keys()))
        return Key(pattern.filled(parts), self)

    def _wrong(self, given: Set[str]) -> str:
        if superfluous := given - self._pattern.fields:
            return f"family {self.name} has no part {', '.join(sorted(superfluous))}"
        return f"a key of family {self.name} lacks {', '.join(sorted(self._pattern.fields - given))}"

    @property
    def tier(self) -> Tier:
        """Whose bounds hold for its TTL."""
        return TIERS[self.options.tier] if self.options.tier else ANY

    @property
    def own_ttl_seconds(self) -> float:
        """Its tier's, or its own, before anybody says otherwise. Raises ValueError where there is neither."""
        own = self.tier.seconds if self.options.tier else self.ttl_seconds
        if own is None:
            raise ValueError(f"family {self.name} has no TTL: it is not for the cache service")
        return float(own)

    @property
    def prefix(self) -> str:
        """What every key of the family begins with: the pattern up to its first variable part."""
        return self._pattern.prefix


class Key(str):
    """A key that knows its family. Made by `Family.key` only."""

    __slots__ = ("family",)
    family: Family

    def __new__(cls, text: str, family: Family) -> "Key":
        key = str.__new__(cls, text)
        key.family = family
        return key

    def __reduce__(self) -> tuple[Any, ...]:
        return _key_of, (str(self), self.family.name)


def for_cache(key: Key) -> Key:
    """Keys come from `Family.key`, of a family of the cache role. Raises TypeError, ValueError."""
    if not isinstance(key, Key):
        raise TypeError(f"a key comes from Family.key(...), not {key!r:.100}")
    if key.family.role != "cache":
        raise ValueError(f"family {key.family.name} is of the {key.family.role} role, not of the cache")
    return key


def _key_of(text: str, family_name: str) -> Key:
    return Key(text, registry[family_name])


registry: dict[str, Family] = {}


def literal_key(key: str, key_prefix: str, version: int | str) -> str:
    """django-redis KEY_FUNCTION: a key in Redis reads exactly as its family prints it."""
    return key


def canonical_parameters(parameters: Iterable[tuple[str, object]]) -> str:
    """`page:1:per_page:10:tz:UTC` in the order given; hashed when long, so that a key stays readable and short.

    The values must already be canonical: this function only joins them.
    """
    text = ":".join(f"{name}:{value}" for name, value in parameters)
    return text if len(text) <= MAX_PARAMETERS_LENGTH else hashed(text)
