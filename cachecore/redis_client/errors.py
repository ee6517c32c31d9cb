"""Classify Redis errors: a server that cannot be used, a command it refused, an exhausted pool, a programming error."""

import redis
from redis.exceptions import ClusterDownError, MasterDownError, NoPermissionError, TryAgainError

from cachecore.keys import Role

BREAKER_OPEN = "not tried, the circuit breaker is open"


class RedisUnavailable(Exception):
    """A Redis role cannot be used, or refused the command. Reads go on without it; locks and versions raise it."""

    def __init__(self, role: Role, reason: str) -> None:
        super().__init__(f"Redis role {role!r}: {reason}")
        self.role = role
        self.reason = reason

    def __reduce__(self) -> tuple[type["RedisUnavailable"], tuple[Role, str]]:
        # Celery pickles a task's error; by default only `args`, here the message alone, would be restored.
        return RedisUnavailable, (self.role, self.reason)


# The server cannot be reached, or it answers that it serves nothing.
UNAVAILABLE = (redis.ConnectionError, redis.TimeoutError, ClusterDownError, OSError)

# The message of redis-py's blocking pool when it is exhausted; its other pool raises a class of its own for it.
POOL_EXHAUSTED_MESSAGE = "No connection available."

# Codes of error replies of a server that serves nothing now; redis-py has no classes for most of them.
UNAVAILABLE_CODES = frozenset({"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "TRYAGAIN", "UNBLOCKED"})
# Codes by which a working server refuses one command: permissions, a key of another type, writes while it has no
# memory, no disk or no replica, or is itself a replica. Other commands may succeed.
REFUSAL_CODES = frozenset({"MISCONF", "NOPERM", "NOREPLICAS", "OOM", "READONLY", "WRONGTYPE"})
# Codes of a server that is no primary any more, or not yet. Its name may lead to another server by now, but an open
# connection never does.
FAILOVER_CODES = frozenset({"LOADING", "MASTERDOWN", "READONLY", "UNBLOCKED"})
# redis-py cuts the code off the message of these.
CODES = {
    redis.BusyLoadingError: "LOADING",
    redis.ReadOnlyError: "READONLY",
    redis.OutOfMemoryError: "OOM",
    NoPermissionError: "NOPERM",
    MasterDownError: "MASTERDOWN",
    TryAgainError: "TRYAGAIN",
}
# Refusals whose code, ERR, is that of programming errors too: after rename-command, and a permission that a command
# within a script lacks.
REFUSAL_MESSAGES = ("unknown command", "ACL failure in script")
PIPELINE_ERROR_SEPARATOR = "caused error: "  # redis-py puts the pipeline's command before it, and the reply after it


def code_of(error: BaseException) -> str:
    """Return the code that an error reply begins with, such as WRONGTYPE; empty for any other error."""
    if (code := CODES.get(type(error))) is not None:
        return code
    if not isinstance(error, redis.ResponseError):
        return ""
    reply = str(error).rpartition(PIPELINE_ERROR_SEPARATOR)[2]
    return reply.partition(" ")[0]


def is_unavailable(error: BaseException) -> bool:
    """Return True if the server could not be reached, or serves no command now."""
    return isinstance(error, UNAVAILABLE) or code_of(error) in UNAVAILABLE_CODES


def is_refusal(error: BaseException) -> bool:
    """Return True if a working server refused this command.

    Any other error reply (a wrong argument, a failing script) is a programming error and is raised unchanged.
    """
    if not isinstance(error, redis.ResponseError):
        return False
    return code_of(error) in REFUSAL_CODES or any(message in str(error) for message in REFUSAL_MESSAGES)


def is_failover(error: BaseException) -> bool:
    """Return True if the connection leads to a server that is no primary any more, or not yet."""
    return code_of(error) in FAILOVER_CODES


def is_exhaustion(error: BaseException) -> bool:
    """Return True if this process's pool has no connection left, which says nothing about the server."""
    return isinstance(error, redis.MaxConnectionsError) or (
        isinstance(error, redis.ConnectionError) and str(error) == POOL_EXHAUSTED_MESSAGE
    )
