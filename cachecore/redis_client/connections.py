"""The one place where a raw Redis connection is had, under the role's circuit breaker.

What a failure means is told in failures.py, whose RedisUnavailable is raised here; clients of event loops are made in
async_clients.py.
"""

import logging
from functools import cache
from typing import Any

import redis.asyncio
from django.core.signals import setting_changed
from django_redis import get_redis_connection
from redis.exceptions import AuthenticationError, AuthorizationError

from cachecore import conf
from cachecore.keys import Role
from cachecore.redis_client.aliases import alias_of
from cachecore.redis_client.async_clients import async_client
from cachecore.redis_client.circuit_breaker import CircuitBreaker
from cachecore.redis_client.errors import BREAKER_OPEN, UNAVAILABLE, RedisUnavailable, is_exhaustion, is_unavailable
from cachecore.redis_client.fast_commands import CommandConnections

__all__ = [
    "UNAVAILABLE", "BreakerGuard", "RedisUnavailable", "alias_of", "async_client", "breaker", "execute", "guarded",
    "guarded_client",
]  # fmt: skip

logger = logging.getLogger(__name__)


@cache
def breaker(role: Role) -> CircuitBreaker:
    return CircuitBreaker(conf.breaker_seconds())


def guarded_client(role: Role) -> "BreakerGuard":
    """A redis.Redis of django-redis's pool; replies are bytes. Raises RedisUnavailable, at once while the breaker is
    open.
    """
    return BreakerGuard(role, _client(role))


def guarded(role: Role, client: redis.asyncio.Redis) -> "BreakerGuard":
    """The same for the event loop: one breaker serves both, so a probe is one whoever makes it."""
    return BreakerGuard(role, client)


def execute(role: Role, *command: str | bytes | int) -> Any:
    """The bare reply to one command, on the shortest way (lines.py). Raises RedisUnavailable as `use` does."""
    circuit = breaker(role)
    if not circuit.allow():
        raise RedisUnavailable(role, BREAKER_OPEN)
    try:
        reply = _command_connections(role).execute(*command)
    except BaseException as error:
        _failed(role, circuit, error)
        raise
    _succeeded(role, circuit)
    return reply


class BreakerGuard:
    """A block of commands: one use of the breaker. Typed Any: redis-py cannot say that a client answers in bytes."""

    __slots__ = ("_circuit", "_client", "_role")

    def __init__(self, role: Role, client: Any) -> None:
        self._role = role
        self._client = client
        self._circuit = breaker(role)

    def __enter__(self) -> Any:
        if not self._circuit.allow():
            raise RedisUnavailable(self._role, BREAKER_OPEN)
        return self._client

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            _succeeded(self._role, self._circuit)
        else:
            _failed(self._role, self._circuit, error)

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)


def _succeeded(role: Role, circuit: CircuitBreaker) -> None:
    if (seconds := circuit.record_success()) is not None:
        logger.warning("Redis role %r is back after %.1f s", role, seconds)


def _failed(role: Role, circuit: CircuitBreaker, error: BaseException) -> None:
    """Raises RedisUnavailable for what is the server's; returns for what is ours, which the caller raises on."""
    if not is_unavailable(error):
        circuit.release_probe()
        return
    reason = f"{type(error).__name__}: {error}"  # redis-py names the address, never a password
    if is_exhaustion(error):
        circuit.release_probe()
        _command_connections(role).release_idle()
    elif circuit.record_failure():  # once an outage: a thousand callers have nothing to add
        mended_by_waiting = not isinstance(error, AuthenticationError | AuthorizationError)
        level = logging.WARNING if mended_by_waiting else logging.ERROR
        logger.log(level, "Redis role %r is away: %s", role, reason)
    raise RedisUnavailable(role, reason) from error


@cache
def _client(role: Role) -> Any:
    """One for all threads; its pool knows when the process has forked."""
    return get_redis_connection(alias_of(role))


@cache
def _command_connections(role: Role) -> CommandConnections:
    return CommandConnections(_client(role).connection_pool)


def _clear_cached_clients(*, setting: str, **kwargs: Any) -> None:
    """Settings are changed by tests only."""
    if setting == "CACHES":
        _client.cache_clear()
        _command_connections.cache_clear()


setting_changed.connect(_clear_cached_clients)
