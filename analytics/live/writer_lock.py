"""One writer at a time: a lock, and a fencing token that makes a stalled writer harmless.

The lock alone does not suffice, because it expires while its holder is stalled. Every script that writes to the view
therefore checks the writer's token and rejects all but the newest one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from analytics.live import scripts
from analytics.live.keys import WRITER
from cachecore.locks import HeldLock, LockLost, lock
from cachecore.redis_client import connections

LOCK_SECONDS = 30


class WriterFenced(Exception):
    """A newer writer took over while this one was stalled. Games that it had not applied are still pending."""


@dataclass(frozen=True, slots=True)
class Writer:
    token: int
    _lock: HeldLock

    def extend(self) -> None:
        """Extend the lock before the next step. Raises WriterFenced if the lock was lost."""
        try:
            self._lock.renew()
        except LockLost as error:
            raise WriterFenced from error


@contextmanager
def writer_lock(*, wait_seconds: float = 0.0) -> Iterator[Writer]:
    """Hold the writer's lock and a new fencing token in the block.

    Raises LockHeld if another writer still holds the lock after `wait_seconds`, RedisUnavailable.
    """
    with lock("analytics-writer", LOCK_SECONDS, wait_seconds=wait_seconds) as held:
        with connections.guarded_client("state") as client:
            token = int(scripts.take_token(client, [WRITER.key()]))
        yield Writer(token, held)
