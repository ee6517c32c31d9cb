"""The TTL of a family: the first that exists of an operator's, the settings', the tuned one, its tier's, its own.

TTLs set by operators are in the state role. Every process applies a change within a second.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from cachecore import conf
from cachecore.keys import Family
from cachecore.redis_client import connections
from cachecore.redis_client.polled_value import PolledValue
from cachecore.tiers import MAX_TTL_SECONDS, TIERS
from cachecore.ttl import tuning

JITTER = 0.1

TTLS = Family(
    name="ttls",
    pattern="ttls",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="family -> seconds, as set by an operator",
    written_by="cachecore.ttl.effective_ttl.set_ttl",
    purged_by="cachecore.ttl.effective_ttl.unset_ttl",
    bounded_by="the families of the cache role",
)

Source = Literal["admin", "setting", "tuning", "tier", "family"]


class Lifetime(NamedTuple):
    """A TTL and where it is from."""

    seconds: float
    source: Source


def _read(client: Any) -> Mapping[str, int]:
    return {name.decode(): int(seconds) for name, seconds in client.hgetall(TTLS.key()).items()}


_operator_ttls: PolledValue[Mapping[str, int]] = PolledValue(_read, {})


def ttl_of(family: Family) -> float:
    """Return the TTL of a family in seconds. Raises ValueError if its setting is outside the tier's bounds."""
    return lifetime_of(family).seconds


def lifetime_of(family: Family) -> Lifetime:
    """Return the TTL of a family and its source.

    Raises ValueError if its setting is outside the tier's bounds, or if it has no TTL at all.
    """
    by_operator = _operator_ttls.get().get(family.name)
    if by_operator is not None and _is_allowed(family, by_operator):  # a release may have changed the bounds since
        return Lifetime(by_operator, "admin")
    if (seconds := from_settings(family)) is not None:
        return Lifetime(seconds, "setting")
    own = family.own_ttl_seconds
    tuned = tuning.ttl_for(family, own)
    if tuned != own:
        return Lifetime(tuned, "tuning")
    return Lifetime(own, "tier" if family.options.tier else "family")


def from_settings(family: Family) -> int | None:
    """Return the TTL in the settings, or None. Raises ValueError if it is outside the tier's bounds."""
    seconds = conf.ttls().get(family.name)
    return None if seconds is None else _within_tier(family, seconds, "TTL setting")


def set_ttl(family: Family, seconds: int) -> None:
    """Set the TTL of values stored from now on, in this process at once. Raises ValueError, RedisUnavailable."""
    _within_tier(family, seconds, "TTL")
    with connections.guarded_client("state") as client:
        client.hset(TTLS.key(), family.name, seconds)
    _operator_ttls.refresh()


def unset_ttl(family: Family) -> None:
    """Remove the operator's TTL: settings, tuning and tier apply again. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        client.hdel(TTLS.key(), family.name)
    _operator_ttls.refresh()


def seconds_of(family: Family, ttl: float | str | None) -> float:
    """Return the TTL for a caller's `ttl`: seconds, a tier's name, or None for the family's.

    Raises ValueError, or TypeError for anything else.
    """
    if ttl is None:
        return ttl_of(family)
    if not isinstance(ttl, str):
        return _within_limits(ttl)
    if ttl not in TIERS:
        raise ValueError(f"ttl must be one of {', '.join(TIERS)}, not {ttl!r}.")
    return float(TIERS[ttl].seconds)


def _within_limits(seconds: float) -> float:
    """Return the TTL, of whatever number type. Raises ValueError if it is not between 1 ms and MAX_TTL_SECONDS."""
    try:
        number = float(seconds)
    except (TypeError, ValueError):
        raise TypeError(f"A TTL must be a number of seconds, a tier's name or None, not {seconds!r:.100}.") from None
    if isinstance(seconds, bool) or not 0.001 <= number <= MAX_TTL_SECONDS:
        raise ValueError(f"A TTL must be 0.001 to {MAX_TTL_SECONDS} s, not {seconds}.")
    return number


def jittered(seconds: float, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Return a TTL up to a tenth shorter, never longer, so that values stored together do not expire together."""
    return seconds * uniform(1 - JITTER, 1)


def _is_allowed(family: Family, seconds: int) -> bool:
    tier = family.tier
    return tier.least <= seconds <= tier.most


def _within_tier(family: Family, seconds: int, what: str) -> int:
    if not _is_allowed(family, seconds):
        tier = family.tier
        raise ValueError(f"The {what} of family {family.name} must be {tier.least} to {tier.most} s, not {seconds}.")
    return seconds
