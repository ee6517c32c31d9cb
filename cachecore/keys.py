"""The registry of key families: one declaration answers every question about a key.

Apps declare their families beside the code that writes them (`games/keys.py`, `analytics/live/keys.py`) and format keys
only by `Family.key`.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from cachecore.patterns import Pattern, hashed
from cachecore.tiers import DAY, MAX_TTL_SECONDS, TIERS, UNTIERED, Tier

Role = Literal["cache", "state"]
Encoding = Literal["msgpack", "json"]

# Tag versions, which must outlive all values, have the longest TTL of the cache role.
MAX_FAMILY_TTL_SECONDS: dict[Role, int] = {"cache": MAX_TTL_SECONDS + DAY, "state": 30 * DAY}
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
    cached_before_django: bool = False  # also kept in memory by the ASGI middleware: a clearing must reach that
    value_type: Any = Any  # the type that a value is decoded as (any that msgspec supports)
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
    """A kind of key. If `ttl_seconds` is None its keys never expire, and `bounded_by` says what bounds them."""

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
            raise ValueError(f"Family {self.name} has no TTL: bounded_by must say what bounds it.")
        if self.ttl_seconds is not None and not 1 <= self.ttl_seconds <= MAX_FAMILY_TTL_SECONDS[self.role]:
            raise ValueError(
                f"ttl_seconds of family {self.name} must be 1 to {MAX_FAMILY_TTL_SECONDS[self.role]} s, "
                f"not {self.ttl_seconds}."
            )
        object.__setattr__(self, "_pattern", Pattern(self.pattern, safe=self.role == "cache"))
        if not self.prefix:
            raise ValueError(f"The pattern of family {self.name} must begin with a text; clearing it would clear all.")
        if registry.setdefault(self.name, self) != self:
            raise ValueError(f"There are two different families with the name {self.name}.")

    def key(self, **parts: object) -> "Key":
        """Return the key with these parts. Raises ValueError for a missing or unknown part.

        In a cache key, a part that could be mistaken for something else is hashed (cachecore/patterns.py).
        """
        pattern = self._pattern
        if parts.keys() != pattern.fields:
            raise ValueError(self._parts_error(parts.keys()))
        return Key(pattern.format(parts), self)

    def _parts_error(self, names: Set[str]) -> str:
        if unknown := names - self._pattern.fields:
            return f"A key of family {self.name} has no part {', '.join(sorted(unknown))}."
        return f"A key of family {self.name} requires the part {', '.join(sorted(self._pattern.fields - names))}."

    @property
    def tier(self) -> Tier:
        """The tier that bounds its TTL."""
        return TIERS[self.options.tier] if self.options.tier else UNTIERED

    @property
    def own_ttl_seconds(self) -> float:
        """The TTL of its tier, else its own, before settings and tuning. Raises ValueError if it has neither."""
        own = self.tier.seconds if self.options.tier else self.ttl_seconds
        if own is None:
            raise ValueError(f"Family {self.name} has no TTL and cannot be used with the cache service.")
        return float(own)

    @property
    def prefix(self) -> str:
        """The beginning of every key of the family: the pattern up to its first variable part."""
        return self._pattern.prefix


class Key(str):
    """A key with its family. Only `Family.key` creates one."""

    __slots__ = ("family",)
    family: Family

    def __new__(cls, text: str, family: Family) -> "Key":
        key = str.__new__(cls, text)
        key.family = family
        return key

    def __reduce__(self) -> tuple[Any, ...]:
        return _key_of, (str(self), self.family.name)


def require_cache_key(key: Key) -> Key:
    """Return the key. Raises TypeError if it is not from `Family.key`, ValueError if it is not of the cache role."""
    if not isinstance(key, Key):
        raise TypeError(f"A key must come from Family.key(...), but is {key!r:.100}.")
    if key.family.role != "cache":
        raise ValueError(f"Family {key.family.name} is of the {key.family.role} role, not of the cache role.")
    return key


def _key_of(text: str, family_name: str) -> Key:
    return Key(text, registry[family_name])


registry: dict[str, Family] = {}


def literal_key(key: str, key_prefix: str, version: int | str) -> str:
    """Return the key unchanged (django-redis KEY_FUNCTION): Redis has exactly the keys that families format."""
    return key


def canonical_parameters(parameters: Iterable[tuple[str, object]]) -> str:
    """Join parameters to `page:1:per_page:10:tz:UTC`, in their order; hash a long result, so that keys stay short.

    The values must already be canonical.
    """
    text = ":".join(f"{name}:{value}" for name, value in parameters)
    return text if len(text) <= MAX_PARAMETERS_LENGTH else hashed(text)
