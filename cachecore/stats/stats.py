"""What the cache does: counted in each process, added up in Redis, read as one snapshot.

`count`, `timed` and `sized` never raise and touch no socket. A daemon thread adds the counts to the totals every
CACHE_STATS_FLUSH_SECONDS (0: none), and once more at exit. A process that is killed, or a forked worker that leaves
without Python's exit, takes its last seconds with it.
"""

import atexit
import logging
import os
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from cachecore import conf
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats.counters import Counters
from cachecore.stats.measures import BOUNDS_SECONDS, BUCKETS, MICROSECONDS, Event, FamilyStats, Operation, Snapshot
from cachecore.stats.totals import SINCE_MS, Totals

logger = logging.getLogger(__name__)


def count(family: str, event: Event, amount: int = 1) -> None:
    """Count an event of a family (its registered name). Cheap, never raises."""
    _counters.add(family, event, amount)


def record_duration(family: str, operation: Operation, seconds: float) -> None:
    """Observe how long an operation took."""
    _counters.add(family, MICROSECONDS[operation], round(seconds * 1_000_000))
    _counters.add(family, BUCKETS[operation][bisect_left(BOUNDS_SECONDS, seconds)])


def record_size(family: str, raw_bytes: int, stored_bytes: int) -> None:
    """Observe a value's size: encoded, and as it went to Redis (compressed, encrypted, in its envelope).

    The second may be the larger: an envelope takes some fifty bytes and twenty a tag, encryption a third; an answer of
    the response cache carries its gzip in both, and is not compressed again.
    """
    _counters.add(family, "raw_bytes", raw_bytes)
    _counters.add(family, "stored_bytes", stored_bytes)


def snapshot() -> Snapshot:
    """The totals over all processes, this one's newest counts among them. Never raises for an absent Redis."""
    fields, complete = _totals.read()
    since_ms = fields.pop(SINCE_MS, None)
    families: dict[str, dict[str, int]] = defaultdict(dict)
    for name, amount in fields.items():
        family, _, measure = name.rpartition(":")
        families[family][measure] = amount
    ordered = tuple(FamilyStats(family, families[family]) for family in sorted(families))
    return Snapshot(ordered, complete, since_ms)


def flush() -> bool:
    """Add this process's counts to the totals; False when Redis is away and they wait."""
    try:
        _totals.flush()
    except RedisUnavailable:
        return False
    return True


def stop() -> None:
    """End this process's thread; `forget` lets it begin anew."""
    _flusher.stop()


def reset() -> None:
    """Begin as a process that has counted nothing, as a forked child is."""
    _counters.reset()
    _totals.reset()
    _flusher.reset()


@dataclass(slots=True)
class Flusher:
    """The daemon thread of a process. It begins with the first count, so a forked child gets its own."""

    after_flush: list[Callable[[], None]] = field(default_factory=list)
    _thread: threading.Thread | None = None
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """In a forked child the thread does not run, and its locks may be held by nobody."""
        self._thread, self._starting, self._stop = None, threading.Lock(), threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def start(self) -> None:
        every_seconds = conf.stats_flush_seconds()
        with self._starting:
            if self._thread is None and every_seconds > 0:
                self._thread = threading.Thread(
                    target=self._run, args=[every_seconds, self._stop], name="cachecore-stats", daemon=True
                )
                self._thread.start()
                atexit.register(flush)

    def _run(self, every_seconds: float, stop: threading.Event) -> None:
        while not stop.wait(every_seconds):
            for job in (flush, *self.after_flush):
                try:
                    job()
                except RedisUnavailable:
                    continue  # the breaker knows; the next run tries again
                except Exception:
                    logger.exception("%s failed; the next run tries again", job.__qualname__)


_flusher = Flusher()
_counters = Counters(on_new_thread=_flusher.start)
_totals = Totals(_counters)
after_flush = _flusher.after_flush

os.register_at_fork(after_in_child=reset)
