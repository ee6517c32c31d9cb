"""Rate limits by scope. docs/rate-limits.md"""

import limits
from django.core.exceptions import ImproperlyConfigured

from config.env import env, flag, some_of, whole


def _rate(scope: str, default: str) -> str:
    """Raises ImproperlyConfigured at the start, not at the first request."""
    name = f"RATE_LIMIT_{scope.upper()}"
    rate: str = env.str(name, default=default).strip()
    try:
        well_formed = not rate or len(limits.parse_many(rate)) == 1
    except ValueError:
        well_formed = False
    if not well_formed:
        raise ImproperlyConfigured(f"{name}: {rate!r} is not one rate such as 600/minute (empty: no limit)")
    return rate


ENABLE_REDIS_RATE_LIMITING = flag("ENABLE_REDIS_RATE_LIMITING", True)
# Per user or address. Only what reaches Django counts: a dashboard lives on hits, which the front door serves.
RATE_LIMITS = {
    "analytics": _rate("analytics", "600/minute"),
    "games": _rate("games", "600/minute"),
    "play": _rate("play", "600/minute"),
    "ingest": _rate("ingest", "600/minute"),
    "login": _rate("login", "10/minute"),
    "login_address": _rate("login_address", "30/minute"),  # whatever the username: each attempt costs a password hash
}
# An exact moving window; the others have a sliding window counter, which costs two integers whatever the limit.
RATE_LIMIT_EXACT = frozenset({"ingest", "login", "login_address"})
# Answered 503 while Redis is away; the others are let through.
RATE_LIMIT_FAIL_CLOSED = some_of("RATE_LIMIT_FAIL_CLOSED", ("ingest", "login", "login_address"), RATE_LIMITS)
# How many proxies in front of us append to X-Forwarded-For. 0: the header is what a client says, and not read.
NUM_PROXIES = whole("NUM_PROXIES", 0)
