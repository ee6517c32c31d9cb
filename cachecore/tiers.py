"""TTL tiers by name. The TTL that a family has now: cachecore/ttl/effective_ttl.py."""

from dataclasses import dataclass

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

MAX_TTL_SECONDS = 7 * DAY


@dataclass(frozen=True, slots=True)
class Tier:
    """A TTL in seconds. Settings, operators and tuning may change it between `least` and `most`."""

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
UNTIERED = Tier(5 * MINUTE, 1, MAX_TTL_SECONDS)  # bounds of a family without a tier
