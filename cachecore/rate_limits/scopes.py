"""Scopes of rate limits. Settings define each scope's rate, its window, and whether it fails open or closed."""

from functools import lru_cache

import limits

from cachecore import conf
from cachecore.rate_limits.windows import RATE_COUNTER, RATE_LOG, Quota, take_in_moving_window, take_in_sliding_window
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats

parse = lru_cache(maxsize=None)(limits.parse)


class LimitsUnavailable(Exception):
    """The limits cannot be read, and the scope fails closed."""


def charge(scope: str, identity: str) -> Quota | None:
    """Take one slot for a caller, in one round trip. Return its quota, or None if it is not limited.

    While Redis is unavailable a scope of RATE_LIMIT_FAIL_CLOSED raises LimitsUnavailable, and any other is not limited.
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
        stats.count(family.name, "error")  # not logged: cachecore.redis_client.connections logs an outage once
        if scope in conf.rate_limits_fail_closed():
            raise LimitsUnavailable(scope) from error
        return None
    if not quota.allowed:
        stats.count(family.name, "refused")
    return quota
