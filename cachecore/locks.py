"""Owner-safe locks on the state role: redis-py's lock (token, Lua release) through django-redis.

A lock keeps work from being done twice at once; it does not protect data. What protects data is a constraint in
the database or a token that the script checks (analytics/live). Locks fail loudly: RedisUnavailable.
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
    """Somebody else has the lock, and the time to wait for it is over."""


class LockLost(Exception):
    """It ran out while its block went on: another holder may have begun."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that its block holds."""

    name: str
    _lock: "Lock"

    def renew(self) -> None:
        """Its time limit begins anew. Raises LockLost, RedisUnavailable."""
        try:
            with connections.guarded_client("state"):
                self._lock.reacquire()
        except LockError as error:
            raise LockLost(self.name) from error


@contextmanager
def lock(name: str, ttl_seconds: float, *, wait_seconds: float = 0.0) -> Iterator[Held]:
    """Hold `name` for the block, `ttl_seconds` at most unless the holder renews it.

    Raises LockHeld, RedisUnavailable. A lock that ran out before the block's end is not an error here: the next
    holder may have begun, which is why what the block writes carries a token of its own.
    """
    deadline = time.monotonic() + wait_seconds
    while (held := _acquired(name, ttl_seconds)) is None:
        if time.monotonic() >= deadline:
            raise LockHeld(name)
        time.sleep(min(POLL_SECONDS, wait_seconds))  # not within a use(): it may be the breaker's only probe
    try:
        yield Held(name, held)
    finally:
        _release(held, name)


def _acquired(name: str, ttl_seconds: float) -> "Lock | None":
    with connections.guarded_client("state") as client:
        held: Lock = caches["state"].lock(  # type: ignore[attr-defined]
            LOCK.key(name=name), timeout=ttl_seconds, thread_local=False
        )
        token = secrets.token_hex(16)
        acquired = held.acquire(blocking=False, token=token)
        # A reply that was lost makes the client ask again, and then our own token stands in our way.
        if not acquired and client.get(held.name) == token.encode():
            held.local.token, acquired = token.encode(), True
    return held if acquired else None


def _release(held: "Lock", name: str) -> None:
    """Past the breaker: it may have opened by what the block did, and a lock that stays keeps everybody out."""
    try:
        held.release()
    except LockError:
        logger.warning("the lock %s ran out before its block ended: another may have begun", name)
    except (RedisError, OSError):
        return  # it will run out
