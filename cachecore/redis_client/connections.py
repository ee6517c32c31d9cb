"""The only way to a Redis connection: every command runs under its role's circuit breaker.

errors.py classifies failures; those of the server are raised as RedisUnavailable. async_clients.py makes the clients
for event loops.
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
    """Return a context manager over a redis.Redis of django-redis's pool; replies are bytes.

    Raises RedisUnavailable, without touching a socket while the breaker is open.
    """
    return BreakerGuard(role, _client(role))


def guarded(role: Role, client: redis.asyncio.Redis) -> "BreakerGuard":
    """Guard an event loop's client. Threads and event loops share the role's breaker, and so its one probe."""
    return BreakerGuard(role, client)


def execute(role: Role, *command: str | bytes | int) -> Any:
    """Return the raw reply to one command, on the fast path (fast_commands.py). Raises RedisUnavailable."""
    circuit = breaker(role)
    if not circuit.allow():
        raise RedisUnavailable(role, BREAKER_OPEN)
    try:
        reply = _command_connections(role).execute(*command)
    except BaseException as error:
        _on_failure(role, circuit, error)
        raise
    _on_success(role, circuit)
    return reply


class BreakerGuard:
    """A context manager that counts its block of commands as one use of the breaker.

    It yields Any: redis-py's types cannot say that a client's replies are bytes.
    """

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
            _on_success(self._role, self._circuit)
        else:
            _on_failure(self._role, self._circuit, error)

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.__exit__(kind, error, trace)


def _on_success(role: Role, circuit: CircuitBreaker) -> None:
    if (seconds := circuit.record_success()) is not None:
        logger.warning("Redis role %r is back after %.1f s", role, seconds)


def _on_failure(role: Role, circuit: CircuitBreaker, error: BaseException) -> None:
    """Raise RedisUnavailable for a failure of the server. Return for any other error, which the caller raises again."""
    if not is_unavailable(error):
        circuit.release_probe()
        return
    reason = f"{type(error).__name__}: {error}"  # it contains the address, never a password
    if is_exhaustion(error):
        circuit.release_probe()
        _command_connections(role).release_idle()
    elif circuit.record_failure():  # log once per outage, not once per caller
        needs_an_operator = isinstance(error, AuthenticationError | AuthorizationError)
        level = logging.ERROR if needs_an_operator else logging.WARNING
        logger.log(level, "Redis role %r is unavailable: %s", role, reason)
    raise RedisUnavailable(role, reason) from error


@cache
def _client(role: Role) -> Any:
    """Return the client that all threads share; its pool notices a fork by itself."""
    return get_redis_connection(alias_of(role))


@cache
def _command_connections(role: Role) -> CommandConnections:
    return CommandConnections(_client(role).connection_pool)


def _clear_cached_clients(*, setting: str, **kwargs: Any) -> None:
    """Drop the clients when a test changes CACHES; in production settings never change."""
    if setting == "CACHES":
        _client.cache_clear()
        _command_connections.cache_clear()


setting_changed.connect(_clear_cached_clients)
