"""Clients for event loops: of the same servers as the pools of django-redis, with time limits of their own.

A client belongs to its loop and its owner; it is used under the role's breaker (connections.use_async).
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
    """A client for the running event loop; its owner closes it. `wait_for_ever` is for a subscriber."""
    cache = settings.CACHES[alias_of(role)]
    limits: dict[str, Any] = {
        "retry": RetryExceptTimeouts(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "socket_connect_timeout": conf.connect_timeout_seconds(),
        "socket_timeout": conf.timeout_seconds(),
    }
    patience = {"socket_timeout": None} if block_forever else {}
    if sentinels := cache.get("OPTIONS", {}).get("SENTINELS"):
        manager = Sentinel(sentinels, sentinel_kwargs=limits, **limits | patience)  # type: ignore[no-untyped-call]
        return _primary_of(cache["LOCATION"], manager)
    return redis.asyncio.Redis.from_url(cache["LOCATION"], **limits | patience)


class RetryExceptTimeouts(Retry):
    """A time-out is not tried again: while a connection is made over a Unix socket, redis-py tells of it by a
    ConnectionError whose cause it is."""

    async def call_with_retry(
        self, do: Any, fail: Any, is_retryable: Any = None, with_failure_count: bool = False
    ) -> Any:
        return await super().call_with_retry(do, fail, _is_no_timeout, with_failure_count)


def _is_no_timeout(error: Exception) -> bool:
    return not isinstance(error.__cause__, redis.TimeoutError)


def _primary_of(location: str, sentinel: Any) -> redis.asyncio.Redis:
    """The service's name stands for a host in the location, as in django-redis."""
    named: dict[str, Any] = dict(parse_url(location))
    service, _ = named.pop("host"), named.pop("port", None)
    client: redis.asyncio.Redis = sentinel.master_for(service, redis_class=SentinelRedis, **named)
    return client


class SentinelRedis(redis.asyncio.Redis):
    """Closes the connections to its sentinels as well, which redis-py leaves open."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()
