"""The only way to a Redis connection: every command runs under its role's circuit breaker.

errors.py classifies failures. A server that cannot be used opens its role's breaker. A refused command (NOPERM,
WRONGTYPE, OOM, READONLY) does not: the other commands may work, and a refused write must not stop reads. Both are
raised as RedisUnavailable.

After a failover behind one name the open connections still lead to the old primary. So the first reply that says so
closes those of the role (reset_connections), and the next use connects to whatever the name means by then.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from traceback import walk_tb
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import redis.asyncio
from django.core.signals import setting_changed
from django_redis import get_redis_connection
from redis.exceptions import AuthenticationError, AuthorizationError

from cachecore import conf
from cachecore.keys import Role
from cachecore.redis_client.aliases import alias_of
from cachecore.redis_client.async_clients import async_client
from cachecore.redis_client.circuit_breaker import CircuitBreaker
from cachecore.redis_client.errors import (
    BREAKER_OPEN,
    UNAVAILABLE,
    RedisUnavailable,
    code_of,
    is_exhaustion,
    is_failover,
    is_refusal,
    is_unavailable,
)
from cachecore.redis_client.fast_commands import CommandConnections

__all__ = [
    "UNAVAILABLE", "BreakerGuard", "RedisUnavailable", "alias_of", "async_client", "breaker", "execute", "guarded",
    "guarded_client", "on_reset", "renew", "reset_connections",
]  # fmt: skip

logger = logging.getLogger(__name__)

_PIPELINED_COMMAND = re.compile(r"^Command # \d+ \((\w+)")
REFUSAL_LOG_SECONDS = 60.0  # one refused command is logged once in this time, not once per caller

# Called with a role whose connections were closed; for connections that are not in its pool (pub/sub).
on_reset: list[Callable[[Role], None]] = []

_resets: Counter[Role] = Counter()
_last_reset: dict[Role, float] = {}
_async_resets: "WeakKeyDictionary[Any, int]" = WeakKeyDictionary()  # per client: the resets that it has followed
_refusals: dict[tuple[Role, str, str], float] = {}  # when it was last logged


@cache
def breaker(role: Role) -> CircuitBreaker:
    return CircuitBreaker(conf.breaker_seconds())


def guarded_client(role: Role) -> "BreakerGuard":
    """Return a context manager over a redis.Redis of django-redis's pool; replies are bytes.

    Raises RedisUnavailable, without touching a socket while the breaker is open.
    """
    return BreakerGuard(role, _client(role))


def probing_client(role: Role) -> "BreakerGuard":
    """Return a guarded client that is used even while the breaker is open. The result of its use sets the breaker."""
    return ProbingGuard(role, _client(role))


def guarded(role: Role, client: redis.asyncio.Redis) -> "BreakerGuard":
    """Guard an event loop's client. Threads and event loops share the role's breaker, and so its one probe."""
    return BreakerGuard(role, client)


def execute(role: Role, *command: str | bytes | int, retry: bool = True) -> Any:
    """Return the raw reply to one command, on the fast path (fast_commands.py). Raises RedisUnavailable.

    `retry=False`: do not send the command again if its reply is lost, because executing it twice would be wrong.
    """
    circuit = breaker(role)
    if not circuit.allow():
        raise RedisUnavailable(role, BREAKER_OPEN)
    try:
        reply = _command_connections(role).execute(*command, retry=retry)
    except BaseException as error:
        _on_failure(role, circuit, error, str(command[0]))
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

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            _on_success(self._role, self._circuit)
        else:
            _on_failure(self._role, self._circuit, error, _command_in(error, trace))

    async def __aenter__(self) -> Any:
        client = self.__enter__()
        await renew(self._role, client)
        return client

    async def __aexit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)


class ProbingGuard(BreakerGuard):
    __slots__ = ()

    def __enter__(self) -> Any:
        return self._client


def _on_success(role: Role, circuit: CircuitBreaker) -> None:
    if (seconds := circuit.record_success()) is not None:
        logger.warning("Redis role %r is back after %.1f s", role, seconds)


def _on_failure(role: Role, circuit: CircuitBreaker, error: BaseException, command: str) -> None:
    """Raise RedisUnavailable for a failure of the server or a refusal; return for any other error."""
    if is_failover(error):
        reset_connections(role)
    reason = f"{type(error).__name__}: {error}"  # it contains the address, never a password
    if is_refusal(error):
        _on_success(role, circuit)  # the server works
        _log_refusal(role, code_of(error), command, reason)
        raise RedisUnavailable(role, reason) from error
    if not is_unavailable(error):
        circuit.release_probe()
        return
    if is_exhaustion(error):
        circuit.release_probe()
        _command_connections(role).release_idle()
    elif circuit.record_failure():  # log once per outage, not once per caller
        needs_an_operator = isinstance(error, AuthenticationError | AuthorizationError)
        level = logging.ERROR if needs_an_operator else logging.WARNING
        logger.log(level, "Redis role %r is unavailable: %s", role, reason)
    raise RedisUnavailable(role, reason) from error


def reset_connections(role: Role) -> None:
    """Close the role's idle connections, and those in use when they are returned, so that the next use opens new ones.

    At most once per open time of the breaker: a server that stays read-only must not cost a connection per write.
    """
    now = time.monotonic()
    if now - _last_reset.get(role, float("-inf")) < conf.breaker_seconds():
        return
    _last_reset[role] = now
    logger.warning("Redis role %r: another server may be primary now; its connections are closed", role)
    _resets[role] += 1
    pool = _client(role).connection_pool
    pool.update_active_connections_for_reconnect()
    pool.disconnect_free_connections()
    for callback in on_reset:
        callback(role)


async def renew(role: Role, client: redis.asyncio.Redis) -> None:
    """Close the connections of an event loop's client if the role's were reset since its last use."""
    resets = _resets[role]
    if _async_resets.setdefault(client, resets) != resets:
        _async_resets[client] = resets
        await client.connection_pool.disconnect(inuse_connections=False)


def _log_refusal(role: Role, code: str, command: str, reason: str) -> None:
    now, refusal = time.monotonic(), (role, code, command)
    if now - _refusals.get(refusal, float("-inf")) >= REFUSAL_LOG_SECONDS:
        _refusals[refusal] = now
        logger.error("Redis role %r refused %s: %s", role, command or "a command", reason)


def _command_in(error: BaseException | None, trace: TracebackType | None) -> str:
    """Return the name of the command that redis-py was executing.

    A pipeline's error contains it ("Command # 1 (SET ...) of pipeline ..."). Any other has it in redis-py's frame only.
    """
    if match := _PIPELINED_COMMAND.search(str(error)):
        return match[1]
    for frame, _ in walk_tb(trace):
        if frame.f_code.co_name == "execute_command" and (args := frame.f_locals.get("args")):
            return str(args[0])
    return ""


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
