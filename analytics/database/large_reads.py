"""Limit the concurrent reads of very many games, because each of them takes memory and time of the database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Up to this many games (the longest window of games, and as many around it) a read is not limited. A read that finds
# more starts over as a large read.
LARGE_READ_GAMES = 200_000
MAX_CONCURRENT_READS = 2  # in one process
WAIT_SECONDS = 0.25
_reads = threading.BoundedSemaphore(MAX_CONCURRENT_READS)


class TableBusy(Exception):
    """Too many reads of very many games are running at once."""


@contextmanager
def large_read() -> Iterator[None]:
    """Occupy one of the slots for large reads in the block. Must not be nested.

    Raises TableBusy if no slot becomes free within WAIT_SECONDS.
    """
    if not _reads.acquire(timeout=WAIT_SECONDS):
        raise TableBusy
    try:
        yield
    finally:
        _reads.release()
