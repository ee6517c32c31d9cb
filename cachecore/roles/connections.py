"""The one place where a raw Redis connection is had: time limits, the circuit breaker, the failure it raises."""

import logging
from functools import cache
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.signals import setting_changed
from django_redis import get_redis_connection
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import AuthorizationError, ClusterDownError

from cachecore import options
from cachecore.keys import Role
from cachecore.roles.breaker import CircuitBreaker
from cachecore.roles.lines import Lines

logger = logging.getLogger(__name__)

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


# Not the server's state but our bound, or how long this process's other threads keep theirs.
NO_CONNECTION_LEFT = "No connection available."  # what redis-py's blocking pool says; the other has a class for it

# What a server that is there and cannot serve answers; redis-py has no class of its own for these.
UNAVAILABLE_REPLIES = ("BUSY ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN ", "TRYAGAIN ")
OF_A_PIPELINE = "caused error: "  # redis-py tells which command of a pipeline it was, then the reply


def is_unavailable(error: BaseException) -> bool:
    """Whether it is the server's state that fails, and not what we asked of it."""
    if isinstance(error, UNAVAILABLE):
        return True
    if not isinstance(error, redis.ResponseError):
        return False
    reply = str(error).rpartition(OF_A_PIPELINE)[2]
    return reply.startswith(UNAVAILABLE_REPLIES)


def is_exhaustion(error: BaseException) -> bool:
    """Whether this process's pool has no connection left: no server's fault."""
    return isinstance(error, redis.MaxConnectionsError) or (
        isinstance(error, redis.ConnectionError) and str(error) == NO_CONNECTION_LEFT
    )


NOT_TRIED = "not tried, it failed a moment ago"


class RoleUnavailable(Exception):
    """A Redis role does not serve now. Reads go on without it; locks, versions and configuration fail loudly."""

    def __init__(self, role: Role, reason: str) -> None:
        super().__init__(f"Redis role {role!r}: {reason}")
        self.role = role
        self.reason = reason

    def __reduce__(self) -> tuple[type["RoleUnavailable"], tuple[Role, str]]:
        return RoleUnavailable, (self.role, self.reason)  # a task's error is pickled; its args are the message alone


def alias_of(role: Role) -> str:
    """The name in CACHES. Without an alias of its own the state role is with the cache."""
    alias = ALIASES[role]
    return alias if alias in settings.CACHES else DEFAULT_CACHE_ALIAS


@cache
def breaker(role: Role) -> CircuitBreaker:
    return CircuitBreaker(options.breaker_seconds())


def use(role: Role) -> "Use":
    """A redis.Redis of django-redis's pool; replies are bytes. Raises RoleUnavailable, at once while the breaker is
    open.
    """
    return Use(role, _client(role))


def use_async(role: Role, client: redis.asyncio.Redis) -> "Use":
    """The same for the event loop: one breaker serves both, so a probe is one whoever makes it."""
    return Use(role, client)


def ask(role: Role, *command: str | bytes | int) -> Any:
    """The bare reply to one command, on the shortest way (lines.py). Raises RoleUnavailable as `use` does."""
    circuit = breaker(role)
    if not circuit.allow():
        raise RoleUnavailable(role, NOT_TRIED)
    try:
        reply = _lines(role).ask(*command)
    except BaseException as error:
        _failed(role, circuit, error)
        raise
    _succeeded(role, circuit)
    return reply


class Use:
    """A block of commands: one use of the breaker. Typed Any: redis-py cannot say that a client answers in bytes."""

    __slots__ = ("_circuit", "_client", "_role")

    def __init__(self, role: Role, client: Any) -> None:
        self._role = role
        self._client = client
        self._circuit = breaker(role)

    def __enter__(self) -> Any:
        if not self._circuit.allow():
            raise RoleUnavailable(self._role, NOT_TRIED)
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
    if (seconds := circuit.succeeded()) is not None:
        logger.warning("Redis role %r is back after %.1f s", role, seconds)


def _failed(role: Role, circuit: CircuitBreaker, error: BaseException) -> None:
    """Raises RoleUnavailable for what is the server's; returns for what is ours, which the caller raises on."""
    if not is_unavailable(error):
        circuit.released()
        return
    reason = f"{type(error).__name__}: {error}"  # redis-py names the address, never a password
    if is_exhaustion(error):
        circuit.released()
        _lines(role).hand_back()
    elif circuit.failed():  # once an outage: a thousand callers have nothing to add
        mended_by_waiting = not isinstance(error, redis.AuthenticationError | AuthorizationError)
        level = logging.WARNING if mended_by_waiting else logging.ERROR
        logger.log(level, "Redis role %r is away: %s", role, reason)
    raise RoleUnavailable(role, reason) from error


@cache
def _client(role: Role) -> Any:
    """One for all threads; its pool knows when the process has forked."""
    return get_redis_connection(alias_of(role))


@cache
def _lines(role: Role) -> Lines:
    return Lines(_client(role).connection_pool)


def _forget(*, setting: str, **kwargs: Any) -> None:
    """Settings are changed by tests only."""
    if setting == "CACHES":
        _client.cache_clear()
        _lines.cache_clear()


setting_changed.connect(_forget)


def async_client(role: Role, *, wait_for_ever: bool = False) -> redis.asyncio.Redis:
    """A client for the running event loop; its owner closes it. `wait_for_ever` is for a subscriber."""
    cache = settings.CACHES[alias_of(role)]
    limits: dict[str, Any] = {
        "retry": Once(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "socket_connect_timeout": options.connect_timeout_seconds(),
        "socket_timeout": options.timeout_seconds(),
    }
    patience = {"socket_timeout": None} if wait_for_ever else {}
    if sentinels := cache.get("OPTIONS", {}).get("SENTINELS"):
        manager = Sentinel(sentinels, sentinel_kwargs=limits, **limits | patience)  # type: ignore[no-untyped-call]
        return _primary_of(cache["LOCATION"], manager)
    return redis.asyncio.Redis.from_url(cache["LOCATION"], **limits | patience)


class Once(Retry):
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
    client: redis.asyncio.Redis = sentinel.master_for(service, redis_class=OfSentinel, **named)
    return client


class OfSentinel(redis.asyncio.Redis):
    """Closes the connections to its sentinels as well, which redis-py leaves open."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()
