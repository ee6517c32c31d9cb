"""How long a family's values live: the first there is of an operator's word, the settings, tuning, its tier, its own.

An operator's word stands in the state role; every process acts on it within a second.
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
    holds="family -> seconds, as an operator set them",
    written_by="cachecore.ttl.effective_ttl.set_ttl",
    purged_by="cachecore.ttl.effective_ttl.unset_ttl",
    bounded_by="the families of the cache role",
)

Source = Literal["admin", "setting", "tuning", "tier", "family"]


class Lifetime(NamedTuple):
    seconds: float
    source: Source


def _read(client: Any) -> Mapping[str, int]:
    return {name.decode(): int(seconds) for name, seconds in client.hgetall(TTLS.key()).items()}


_by_operators: PolledValue[Mapping[str, int]] = PolledValue(_read, {})


def ttl_of(family: Family) -> float:
    """Seconds. Raises ValueError where the setting lies outside the tier's bounds."""
    return lifetime_of(family).seconds


def lifetime_of(family: Family) -> Lifetime:
    """Raises ValueError where the setting lies outside the tier's bounds, or the family has no TTL at all."""
    told = _by_operators.get().get(family.name)
    if told is not None and _allowed(family, told):  # bounds may have moved since
        return Lifetime(told, "admin")
    if (seconds := from_settings(family)) is not None:
        return Lifetime(seconds, "setting")
    own = family.own_ttl_seconds
    tuned = tuning.ttl_for(family, own)
    if tuned != own:
        return Lifetime(tuned, "tuning")
    return Lifetime(own, "tier" if family.options.tier else "family")


def from_settings(family: Family) -> int | None:
    """Raises ValueError outside the tier's bounds."""
    seconds = conf.ttls().get(family.name)
    return None if seconds is None else _within(family, seconds, f"setting for family {family.name}")


def set_ttl(family: Family, seconds: int) -> None:
    """For values stored from now on, in this process at once. Raises ValueError, RedisUnavailable."""
    _within(family, seconds, f"of family {family.name}")
    with connections.guarded_client("state") as client:
        client.hset(TTLS.key(), family.name, seconds)
    _by_operators.refresh()


def unset_ttl(family: Family) -> None:
    """Back to the settings, tuning, the tier. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        client.hdel(TTLS.key(), family.name)
    _by_operators.refresh()


def seconds_of(family: Family, ttl: float | str | None) -> float:
    """A TTL as callers give it: seconds, a tier's name, or None for the family's. Raises ValueError."""
    if ttl is None:
        return ttl_of(family)
    if not isinstance(ttl, str):
        return checked(ttl)
    if ttl not in TIERS:
        raise ValueError(f"ttl must be one of {', '.join(TIERS)}, not {ttl!r}.")
    return float(TIERS[ttl].seconds)


def checked(seconds: float) -> float:
    """A TTL that a caller gave. Raises ValueError for one that is not between 1 ms and MAX_TTL_SECONDS."""
    if isinstance(seconds, bool) or not 0.001 <= seconds <= MAX_TTL_SECONDS:
        raise ValueError(f"a TTL is 0.001 to {MAX_TTL_SECONDS} s, not {seconds}")
    return seconds


def jittered(seconds: float, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Up to a tenth shorter, never longer: a TTL is a bound, and values stored together do not end together."""
    return seconds * uniform(1 - JITTER, 1)


def _allowed(family: Family, seconds: int) -> bool:
    tier = family.tier
    return tier.least <= seconds <= tier.most


def _within(family: Family, seconds: int, what: str) -> int:
    if not _allowed(family, seconds):
        tier = family.tier
        raise ValueError(f"TTL {what} is {seconds} s, not {tier.least} to {tier.most}")
    return seconds
