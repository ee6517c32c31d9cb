"""Reading very many games takes memory and the database's time: few such reads at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# So many anyone may read: the longest window of games, and as many around it. Who finds more of them begins again here.
LARGE_READ_GAMES = 200_000
MAX_CONCURRENT_READS = 2  # at once by one process
WAIT_SECONDS = 0.25
_reads = threading.BoundedSemaphore(MAX_CONCURRENT_READS)


class TableBusy(Exception):
    """Too many questions about very many games at once."""


@contextmanager
def large_read() -> Iterator[None]:
    """Not within another. Raises TableBusy."""
    if not _reads.acquire(timeout=WAIT_SECONDS):
        raise TableBusy
    try:
        yield
    finally:
        _reads.release()
