"""One writer at a time: a lock so that two rarely try, a token so that a stalled one cannot do harm."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from analytics.live import scripts
from analytics.live.keys import WRITER
from cachecore.locks import HeldLock, LockLost, lock
from cachecore.redis_client import connections

LOCK_SECONDS = 30


class WriterFenced(Exception):
    """A newer writer took over while this one stalled; what it had not applied is still pending."""


@dataclass(frozen=True, slots=True)
class Writer:
    token: int
    _lock: HeldLock

    def extend(self) -> None:
        """Extend the lock before the next step. Raises Overtaken when it was lost meanwhile."""
        try:
            self._lock.renew()
        except LockLost as error:
            raise WriterFenced from error


@contextmanager
def writer_lock(*, wait_seconds: float = 0.0) -> Iterator[Writer]:
    """Be the writer for the block. Raises LockHeld while another is, RedisUnavailable."""
    with lock("analytics-writer", LOCK_SECONDS, wait_seconds=wait_seconds) as held:
        with connections.guarded_client("state") as client:
            token = int(scripts.take_token(client, [WRITER.key()]))
        yield Writer(token, held)
