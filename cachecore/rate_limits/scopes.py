"""Scopes of rate limits. Settings define each scope's rate, its window, and whether it fails open or closed."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import limits
from limits import RateLimitItem

from cachecore import conf
from cachecore.rate_limits import callers
from cachecore.rate_limits.windows import RATE_COUNTER, RATE_LOG, Quota, take_in_moving_window, take_in_sliding_window
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import stats

Take = Callable[[Any, RateLimitItem, str, str], Quota]
_last_failed_retry = float("-inf")


class LimitsUnavailable(Exception):
    """The limits cannot be read, and the scope fails closed."""


def charge(scope: str, identity: str) -> Quota | None:
    """Take one slot for a caller, in one round trip. Return its quota, or None if it is not limited.

    While Redis is unavailable a scope of RATE_LIMIT_FAIL_CLOSED raises LimitsUnavailable, and any other is not limited.
    A scope that fails closed is retried once before, which may count the request twice.
    """
    text = conf.rate_limits().get(scope)
    if not text:
        return None
    rate = parse(text, callers.limit_factor(identity))
    exact = scope in conf.rate_limits_exact()
    family, take = (RATE_LOG, take_in_moving_window) if exact else (RATE_COUNTER, take_in_sliding_window)
    try:
        try:
            with connections.guarded_client("state") as client:
                quota = take(client, rate, scope, identity)
        except RedisUnavailable:
            if scope not in conf.rate_limits_fail_closed() or not _may_retry():
                raise
            quota = _retry(take, rate, scope, identity)
    except RedisUnavailable as error:
        stats.count(family.name, "error")  # not logged: cachecore.redis_client.connections logs an outage once
        if scope in conf.rate_limits_fail_closed():
            raise LimitsUnavailable(scope) from error
        return None
    if not quota.allowed:
        stats.count(family.name, "refused")
    return quota


@cache
def parse(text: str, factor: int = 1) -> RateLimitItem:
    """Return the rate, its number of requests multiplied by the factor."""
    rate = limits.parse(text)
    return type(rate)(rate.amount * factor, rate.multiples)


def _may_retry() -> bool:
    """Return False for a while after a failed retry, so that a hung Redis does not cost every request a time limit."""
    return time.monotonic() - _last_failed_retry >= conf.breaker_seconds()


def _retry(take: Take, rate: RateLimitItem, scope: str, identity: str) -> Quota:
    """Take the slot whatever the state of the circuit breaker; a success closes it. Raises RedisUnavailable.

    On a busy machine one late reply opens the breaker, and that alone must not turn away logins and recorded games.
    """
    global _last_failed_retry
    try:
        with connections.probing_client("state") as client:
            return take(client, rate, scope, identity)
    except RedisUnavailable:
        _last_failed_retry = time.monotonic()
        raise
