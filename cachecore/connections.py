"""The one place where a raw Redis connection is had: time limits, the circuit breaker, the failure it raises."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from django_redis import get_redis_connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError

from cachecore.breaker import CircuitBreaker
from cachecore.keys import Role

ALIASES: dict[Role, str] = {"cache": "default", "state": "state"}

# The server is away, or is there and cannot serve. Anything else (a wrong command, a script's error) is a
# fault of ours and stays loud.
UNAVAILABLE = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    ClusterDownError,
    OSError,
)


# What a server that is there and cannot serve answers; redis-py has no class of its own for these.
UNAVAILABLE_REPLIES = ("BUSY ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN ", "TRYAGAIN ")


def is_unavailable(error: BaseException) -> bool:
    """Whether it is the server's state that fails, and not what we asked of it."""
    if isinstance(error, UNAVAILABLE):
        return True
    return isinstance(error, redis.ResponseError) and str(error).startswith(UNAVAILABLE_REPLIES)


class RoleUnavailable(Exception):
    """A Redis role does not serve now. Reads go on without it; locks, versions and configuration fail loudly."""

    def __init__(self, role: Role, reason: str) -> None:
        super().__init__(f"Redis role {role!r}: {reason}")
        self.role = role


@cache
def breaker(role: Role) -> CircuitBreaker:
    return CircuitBreaker(settings.REDIS_BREAKER_SECONDS)


@contextmanager
def use(role: Role) -> Iterator[Any]:
    """A redis.Redis of django-redis's pool; replies are bytes. Raises RoleUnavailable, at once while the breaker is
    open.

    Typed Any because redis-py cannot say that a client answers in bytes and not in text.
    """
    circuit = breaker(role)
    if not circuit.allow():
        raise RoleUnavailable(role, "not tried, it failed a moment ago")
    try:
        yield get_redis_connection(ALIASES[role])
    except BaseException as error:
        if not is_unavailable(error):
            circuit.released()
            raise
        circuit.failed()
        raise RoleUnavailable(role, type(error).__name__) from error
    circuit.succeeded()


@asynccontextmanager
async def use_async(role: Role, client: redis.asyncio.Redis) -> AsyncIterator[Any]:
    """The same for the event loop: one breaker serves both, so a probe is one whoever makes it."""
    circuit = breaker(role)
    if not circuit.allow():
        raise RoleUnavailable(role, "not tried, it failed a moment ago")
    try:
        yield client
    except BaseException as error:
        if not is_unavailable(error):
            circuit.released()
            raise
        circuit.failed()
        raise RoleUnavailable(role, type(error).__name__) from error
    circuit.succeeded()


def async_client(role: Role, *, wait_for_ever: bool = False) -> redis.asyncio.Redis:
    """A client for the running event loop; its owner closes it. `wait_for_ever` is for a subscriber."""
    return redis.asyncio.Redis.from_url(
        settings.CACHES[ALIASES[role]]["LOCATION"],
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        socket_connect_timeout=settings.REDIS_CONNECT_TIMEOUT_SECONDS,
        socket_timeout=None if wait_for_ever else settings.REDIS_TIMEOUT_SECONDS,
    )
