"""Classify Redis errors: failures of the server, an exhausted pool of this process, and programming errors."""

import redis
from redis.exceptions import ClusterDownError

from cachecore.keys import Role

BREAKER_OPEN = "not tried, the circuit breaker is open"


class RedisUnavailable(Exception):
    """A Redis role cannot be used now. Reads continue without it; locks, versions and settings raise it on."""

    def __init__(self, role: Role, reason: str) -> None:
        super().__init__(f"Redis role {role!r}: {reason}")
        self.role = role
        self.reason = reason

    def __reduce__(self) -> tuple[type["RedisUnavailable"], tuple[Role, str]]:
        # Celery pickles a task's error; by default only `args`, here the message alone, would be restored.
        return RedisUnavailable, (self.role, self.reason)


# The server cannot be reached, or it answers that it cannot serve. Any other error (a wrong command, a failing
# script) is a programming error and is raised unchanged.
UNAVAILABLE = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    ClusterDownError,
    OSError,
)

# The message of redis-py's blocking pool when it is exhausted; its other pool raises a class of its own for it.
POOL_EXHAUSTED_MESSAGE = "No connection available."

# Error replies of a server that is reachable and cannot serve; redis-py has no classes for them.
UNAVAILABLE_REPLIES = ("BUSY ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN ", "TRYAGAIN ")
PIPELINE_ERROR_SEPARATOR = "caused error: "  # redis-py puts the pipeline's command before it, and the reply after it


def is_unavailable(error: BaseException) -> bool:
    """Return True if the server's state caused the error, not the command that was sent."""
    if isinstance(error, UNAVAILABLE):
        return True
    if not isinstance(error, redis.ResponseError):
        return False
    reply = str(error).rpartition(PIPELINE_ERROR_SEPARATOR)[2]
    return reply.startswith(UNAVAILABLE_REPLIES)


def is_exhaustion(error: BaseException) -> bool:
    """Return True if this process's pool has no connection left, which says nothing about the server."""
    return isinstance(error, redis.MaxConnectionsError) or (
        isinstance(error, redis.ConnectionError) and str(error) == POOL_EXHAUSTED_MESSAGE
    )
