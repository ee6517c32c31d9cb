"""What the state role holds for every process to act on, as this process knew it less than a second ago."""

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
    """Asks Redis at most once a second, and with Redis away keeps to what it last heard; `nothing` before that."""

    def __init__(
        self, read: Callable[[Any], T], nothing: T, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._value = self._nothing = nothing
        self._monotonic = monotonic
        self.reset()

    def get(self) -> T:
        """Never raises."""
        if self._monotonic() - self._heard_at > MAX_AGE_SECONDS:
            self.refresh()
        return self._value

    def peek(self) -> T:
        """Without asking."""
        return self._value

    def set(self, value: T) -> None:
        """Somebody has just read it for this process."""
        self._value, self._heard_at = value, self._monotonic()

    def refresh(self) -> None:
        """Never raises."""
        try:
            with connections.guarded_client("state") as client:
                self.set(self._read(client))
        except RedisUnavailable:  # asked in vain counts too: a hung server costs its callers one time limit a second
            self._heard_at = self._monotonic()
        except Exception:  # a wrong setting, a key of another type: whoever reads a value has done nothing wrong
            self._heard_at = self._monotonic()
            logger.exception("what operators have set cannot be read; what was last heard holds")

    def reset(self) -> None:
        self._value, self._heard_at = self._nothing, float("-inf")
