"""Rate limits by scope. docs/rate-limits.md"""

import limits
from django.core.exceptions import ImproperlyConfigured

from config.env import boolean, env, integer, subset


def _rate(scope: str, default: str) -> str:
    """Return the rate of a scope. Raises ImproperlyConfigured here, when the process starts, not at a request."""
    name = f"RATE_LIMIT_{scope.upper()}"
    rate: str = env.str(name, default=default).strip()
    try:
        well_formed = not rate or len(limits.parse_many(rate)) == 1
    except ValueError:
        well_formed = False
    if not well_formed:
        raise ImproperlyConfigured(f"{name}: {rate!r} is not one rate, such as 600/minute, or empty for no limit.")
    return rate


ENABLE_REDIS_RATE_LIMITING = boolean("ENABLE_REDIS_RATE_LIMITING", True)
# Per user or address. Only requests that Django computes are counted; cache hits, such as those of a dashboard, are
# not.
RATE_LIMITS = {
    "analytics": _rate("analytics", "600/minute"),
    "games": _rate("games", "600/minute"),
    "play": _rate("play", "600/minute"),
    "ingest": _rate("ingest", "600/minute"),
    "login": _rate("login", "10/minute"),
    "login_address": _rate("login_address", "30/minute"),  # whatever the username: each attempt costs a password hash
}
# These scopes have an exact moving window. The others have a sliding window counter, which needs two integers only.
RATE_LIMIT_EXACT = frozenset({"ingest", "login", "login_address"})
# Requests of these scopes get a 503 while Redis is unavailable; those of the others are not limited meanwhile.
RATE_LIMIT_FAIL_CLOSED = subset("RATE_LIMIT_FAIL_CLOSED", ("ingest", "login", "login_address"), RATE_LIMITS)
# The number of proxies that append to X-Forwarded-For. With 0 the header is ignored, because a client can forge it.
NUM_PROXIES = integer("NUM_PROXIES", 0)
