"""Owner-safe locks on the state role: redis-py's lock (token, release by a script) through django-redis.

A lock prevents duplicate work; it does not protect data. Data are protected by a constraint in the database or by a
fencing token that a script checks (analytics/live). An unavailable Redis raises RedisUnavailable.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.cache import caches
from redis.exceptions import LockError, RedisError

from cachecore.keys import Family
from cachecore.redis_client import connections

if TYPE_CHECKING:
    from redis.lock import Lock

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1

LOCK = Family(
    name="lock",
    pattern="lock:{name}",
    role="state",
    type="string",
    ttl_seconds=None,
    holds="the owner's token",
    written_by="cachecore.locks.lock",
    purged_by="its owner, or its own time limit",
    bounded_by="one key per lock name in code; every lock is taken with a time limit",
)


class LockHeld(Exception):
    """Another holder has the lock, and the time to wait for it is over."""


class LockLost(Exception):
    """The lock expired while its block was running: another holder may have taken it."""


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock, within the block that holds it."""

    name: str
    _lock: "Lock"

    def renew(self) -> None:
        """Restart the lock's time limit. Raises LockLost, RedisUnavailable."""
        try:
            with connections.guarded_client("state"):
                self._lock.reacquire()
        except LockError as error:
            raise LockLost(f"The lock {self.name} expired; another holder may have taken it.") from error


@contextmanager
def lock(name: str, ttl_seconds: float, *, wait_seconds: float = 0.0) -> Iterator[HeldLock]:
    """Hold the lock `name` within the block, for `ttl_seconds` at most unless the holder renews it.

    Raises LockHeld, RedisUnavailable. A lock that expires before the end of the block is no error here. Another holder
    may have taken it meanwhile, so a block that writes data must pass a fencing token of its own.
    """
    deadline = time.monotonic() + wait_seconds
    while (held := _try_acquire(name, ttl_seconds)) is None:
        if time.monotonic() >= deadline:
            raise LockHeld(f"Another holder has the lock {name}.")
        time.sleep(min(POLL_SECONDS, wait_seconds))  # outside of guarded_client(): that may be the only probe
    try:
        yield HeldLock(name, held)
    finally:
        _release(held, name)


def _try_acquire(name: str, ttl_seconds: float) -> "Lock | None":
    with connections.guarded_client("state") as client:
        held: Lock = caches["state"].lock(  # type: ignore[attr-defined]
            LOCK.key(name=name), timeout=ttl_seconds, thread_local=False
        )
        token = secrets.token_hex(16)
        acquired = held.acquire(blocking=False, token=token)
        # If the reply was lost, the client has repeated the command and found its own token.
        if not acquired and client.get(held.name) == token.encode():
            held.local.token, acquired = token.encode(), True
    return held if acquired else None


def _release(held: "Lock", name: str) -> None:
    """Release the lock, whether or not the circuit breaker is open.

    The block itself may have opened it, and a lock that is not released excludes every other holder.
    """
    try:
        held.release()
    except LockError:
        logger.warning("The lock %s expired before its block ended; another holder may have taken it.", name)
    except (RedisError, OSError):
        return  # it will expire
