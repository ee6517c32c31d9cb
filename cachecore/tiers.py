"""TTL tiers by name, and the one function that says how long a family's values live."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from cachecore import options, tuning
from cachecore.keys import Family

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

MAX_TTL_SECONDS = 7 * DAY
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Tier:
    """A class of lifetimes, seconds. Whatever overrides a tier's TTL stays between `least` and `most`."""

    seconds: int
    least: int
    most: int


TIERS = {
    "list": Tier(20, 5, MINUTE),
    "list-long": Tier(30, 10, 2 * MINUTE),
    "payment": Tier(MINUTE, 10, 2 * MINUTE),
    "analytics": Tier(2 * MINUTE, 20, 10 * MINUTE),
    "medium": Tier(5 * MINUTE, MINUTE, 15 * MINUTE),
    "ten-minutes": Tier(10 * MINUTE, 2 * MINUTE, 30 * MINUTE),
    "quarter-hour": Tier(15 * MINUTE, 3 * MINUTE, 45 * MINUTE),
    "long": Tier(30 * MINUTE, 5 * MINUTE, 2 * HOUR),
    "profile": Tier(HOUR, 10 * MINUTE, 4 * HOUR),
    "day": Tier(DAY, HOUR, MAX_TTL_SECONDS),
}
ANY = Tier(5 * MINUTE, 1, MAX_TTL_SECONDS)  # bounds of a family without a tier

# Seconds by family name, set while the process runs; stronger than settings.CACHE_TTLS.
overrides: dict[str, int] = {}


def tier_of(family: Family) -> Tier:
    """Raises KeyError for a tier that does not exist."""
    return TIERS[family.options.tier] if family.options.tier else ANY


def ttl_of(family: Family) -> float:
    """Seconds: the override, the setting, else as tuned from the tier's or the family's own.

    Raises ValueError outside the tier's bounds.
    """
    tier = tier_of(family)
    for source, seconds in (("override", overrides.get(family.name)), ("setting", options.ttls().get(family.name))):
        if seconds is not None:
            return _within(tier, seconds, f"{source} for family {family.name}")
    own = tier.seconds if family.options.tier else family.ttl_seconds
    if own is None:
        raise ValueError(f"family {family.name} has no TTL: it is not for the cache service")
    return tuning.ttl_for(family.name, own)


def seconds_of(family: Family, ttl: float | str | None) -> float:
    """A TTL as callers give it: seconds, a tier's name, or None for the family's. Raises ValueError, KeyError."""
    if ttl is None:
        return ttl_of(family)
    return float(TIERS[ttl].seconds) if isinstance(ttl, str) else checked(ttl)


def checked(seconds: float) -> float:
    """A TTL that a caller gave. Raises ValueError for one that is not between 1 ms and MAX_TTL_SECONDS."""
    if not 0.001 <= seconds <= MAX_TTL_SECONDS:
        raise ValueError(f"a TTL is 0.001 to {MAX_TTL_SECONDS} s, not {seconds}")
    return seconds


def jittered(seconds: float, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Up to a tenth shorter, never longer: a TTL is a bound, and values stored together do not end together."""
    return seconds * uniform(1 - JITTER, 1)


def _within(tier: Tier, seconds: int, what: str) -> int:
    if not tier.least <= seconds <= tier.most:
        raise ValueError(f"TTL {what} is {seconds} s, not {tier.least} to {tier.most}")
    return seconds
