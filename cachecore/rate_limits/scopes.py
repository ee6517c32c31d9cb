"""Scopes: what is limited, how much of it, and what happens while the limits cannot be read. Settings decide."""

from functools import lru_cache

import limits

from cachecore import conf
from cachecore.rate_limits.windows import RATE_COUNTER, RATE_LOG, Quota, take_in_moving_window, take_in_sliding_window
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats

parse = lru_cache(maxsize=None)(limits.parse)


class LimitsUnavailable(Exception):
    """The limits cannot be read, and the scope is one that is then refused."""


def charge(scope: str, identity: str) -> Quota | None:
    """Take one slot for this caller, in one round trip. None: not limited, or let through because Redis is away.

    Raises LimitsUnavailable for a scope of RATE_LIMIT_FAIL_CLOSED while Redis is away.
    """
    rate = conf.rate_limits().get(scope)
    if not rate:
        return None
    exact = scope in conf.rate_limits_exact()
    family, take = (RATE_LOG, take_in_moving_window) if exact else (RATE_COUNTER, take_in_sliding_window)
    try:
        with connections.guarded_client("state") as client:
            quota = take(client, parse(rate), scope, identity)
    except RedisUnavailable as error:
        stats.count(family.name, "error")  # no log: cachecore.redis_client.connections tells of an outage, once
        if scope in conf.rate_limits_fail_closed():
            raise LimitsUnavailable(scope) from error
        return None
    if not quota.allowed:
        stats.count(family.name, "refused")
    return quota
