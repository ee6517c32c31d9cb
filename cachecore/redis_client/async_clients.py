"""Clients for event loops: connections of their own to the same servers as django-redis's pools, with time limits.

A client belongs to one event loop and one owner. Its commands run under the role's circuit breaker
(`connections.guarded`).
"""

from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from cachecore import conf
from cachecore.keys import Role
from cachecore.redis_client.aliases import alias_of


def async_client(role: Role, *, block_forever: bool = False) -> redis.asyncio.Redis:
    """Return a client for the running event loop; the caller must close it.

    `block_forever` removes the limit on reading a reply: a subscriber or a blocking read waits without end.
    """
    cache = settings.CACHES[alias_of(role)]
    limits: dict[str, Any] = {
        "retry": RetryExceptTimeouts(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "socket_connect_timeout": conf.connect_timeout_seconds(),
        "socket_timeout": conf.timeout_seconds(),
    }
    read_limit = {"socket_timeout": None} if block_forever else {}
    if sentinels := cache.get("OPTIONS", {}).get("SENTINELS"):
        manager = Sentinel(sentinels, sentinel_kwargs=limits, **limits | read_limit)  # type: ignore[no-untyped-call]
        return _primary_client(cache["LOCATION"], manager)
    return redis.asyncio.Redis.from_url(cache["LOCATION"], **limits | read_limit)


class RetryExceptTimeouts(Retry):
    """Retry a lost connection, but not a time-out, which would double the time that a hung server costs.

    While redis-py connects over a Unix socket it reports a time-out as the cause of a ConnectionError.
    """

    async def call_with_retry(
        self, do: Any, fail: Any, is_retryable: Any = None, with_failure_count: bool = False
    ) -> Any:
        return await super().call_with_retry(do, fail, _is_not_a_timeout, with_failure_count)


def _is_not_a_timeout(error: Exception) -> bool:
    return not isinstance(error.__cause__, redis.TimeoutError)


def _primary_client(location: str, sentinel: Any) -> redis.asyncio.Redis:
    """Return a client of the service's primary. As in django-redis, the location's host is the service's name."""
    options: dict[str, Any] = dict(parse_url(location))
    service, _ = options.pop("host"), options.pop("port", None)
    client: redis.asyncio.Redis = sentinel.master_for(service, redis_class=SentinelRedis, **options)
    return client


class SentinelRedis(redis.asyncio.Redis):
    """A client that also closes its connections to the sentinels, which redis-py leaves open."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()
