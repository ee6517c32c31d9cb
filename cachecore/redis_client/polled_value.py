"""A value in the state role that every process follows, at most one second late."""

import logging
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable

logger = logging.getLogger(__name__)

MAX_AGE_SECONDS = 1.0

T = TypeVar("T")


class PolledValue(Generic[T]):
    """Reads its value from Redis at most once a second and keeps the last one read while Redis is unavailable.

    Until the first successful read its value is `default`.
    """

    def __init__(
        self, read: Callable[[Any], T], default: T, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._value = self._default = default
        self._monotonic = monotonic
        self.reset()

    def get(self) -> T:
        """Return the value, read again if it is older than a second. Never raises."""
        if self._monotonic() - self._read_at > MAX_AGE_SECONDS:
            self.refresh()
        return self._value

    def peek(self) -> T:
        """Return the last value read, without reading it again."""
        return self._value

    def set(self, value: T) -> None:
        """Accept a value that other code of this process has just read from Redis."""
        self._value, self._read_at = value, self._monotonic()

    def refresh(self) -> None:
        """Read the value again, or keep the last one. Never raises."""
        try:
            with connections.guarded_client("state") as client:
                self.set(self._read(client))
        except RedisUnavailable:  # counts as a read: a hung server costs its callers one time limit per second
            self._read_at = self._monotonic()
        except Exception:  # a wrong setting or a key of another type is no reason to fail the caller's read
            self._read_at = self._monotonic()
            logger.exception("a value set by operators could not be read; the last one read stays in force")

    def reset(self) -> None:
        """Return to the default; the next `get` reads the value."""
        self._value, self._read_at = self._default, float("-inf")
