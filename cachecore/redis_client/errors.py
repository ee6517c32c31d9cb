"""Redis's failures, told apart: the server's, our pool's, and faults of ours, which stay loud."""

import redis
from redis.exceptions import ClusterDownError

from cachecore.keys import Role

BREAKER_OPEN = "not tried, it failed a moment ago"


class RedisUnavailable(Exception):
    """A Redis role does not serve now. Reads go on without it; locks, versions and configuration fail loudly."""

    def __init__(self, role: Role, reason: str) -> None:
        super().__init__(f"Redis role {role!r}: {reason}")
        self.role = role
        self.reason = reason

    def __reduce__(self) -> tuple[type["RedisUnavailable"], tuple[Role, str]]:
        return RedisUnavailable, (self.role, self.reason)  # a task's error is pickled; its args are the message alone


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
POOL_EXHAUSTED_MESSAGE = "No connection available."  # what redis-py's blocking pool says; the other has a class for it

# What a server that is there and cannot serve answers; redis-py has no class of its own for these.
UNAVAILABLE_REPLIES = ("BUSY ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN ", "TRYAGAIN ")
PIPELINE_ERROR_SEPARATOR = "caused error: "  # redis-py tells which command of a pipeline it was, then the reply


def is_unavailable(error: BaseException) -> bool:
    """Whether it is the server's state that fails, and not what we asked of it."""
    if isinstance(error, UNAVAILABLE):
        return True
    if not isinstance(error, redis.ResponseError):
        return False
    reply = str(error).rpartition(PIPELINE_ERROR_SEPARATOR)[2]
    return reply.startswith(UNAVAILABLE_REPLIES)


def is_exhaustion(error: BaseException) -> bool:
    """Whether this process's pool has no connection left: no server's fault."""
    return isinstance(error, redis.MaxConnectionsError) or (
        isinstance(error, redis.ConnectionError) and str(error) == POOL_EXHAUSTED_MESSAGE
    )
