"""Statistics of the cache: counted in each process, added up in Redis, read as one snapshot.

`count`, `record_duration` and `record_size` never raise and touch no socket. A daemon thread adds the counts to the
totals every CACHE_STATS_FLUSH_SECONDS (0: never), and once more at exit. The last seconds' counts are lost if a process
is killed, or if a forked worker ends without Python's exit handlers.
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
    """Count an event of a family (its registered name). Never raises."""
    _counters.add(family, event, amount)


def record_duration(family: str, operation: Operation, seconds: float) -> None:
    """Record how long an operation took."""
    _counters.add(family, MICROSECONDS[operation], round(seconds * 1_000_000))
    _counters.add(family, BUCKETS[operation][bisect_left(BOUNDS_SECONDS, seconds)])


def record_size(family: str, raw_bytes: int, stored_bytes: int) -> None:
    """Record a value's size: encoded, and as sent to Redis (compressed, encrypted, in its envelope).

    The second size may be larger: an envelope takes some fifty bytes and twenty per tag, encryption adds a third. A
    cached response contains its gzip in both sizes, and is not compressed again.
    """
    _counters.add(family, "raw_bytes", raw_bytes)
    _counters.add(family, "stored_bytes", stored_bytes)


def snapshot() -> Snapshot:
    """Return the totals over all processes, this one's newest counts included. Never raises RedisUnavailable."""
    fields, complete = _totals.read()
    since_ms = fields.pop(SINCE_MS, None)
    families: dict[str, dict[str, int]] = defaultdict(dict)
    for name, amount in fields.items():
        family, _, measure = name.rpartition(":")
        families[family][measure] = amount
    ordered = tuple(FamilyStats(family, families[family]) for family in sorted(families))
    return Snapshot(ordered, complete, since_ms)


def flush() -> bool:
    """Add this process's counts to the totals. Return False if Redis is unavailable, and keep the counts."""
    try:
        _totals.flush()
    except RedisUnavailable:
        return False
    return True


def stop() -> None:
    """Stop this process's thread; after `reset` a new one may start."""
    _flusher.stop()


def reset() -> None:
    """Reset everything to the state of a process that has counted nothing, such as a forked child."""
    _counters.reset()
    _totals.reset()
    _flusher.reset()


@dataclass(slots=True)
class Flusher:
    """The daemon thread of a process. The first count starts it, so a forked child gets its own."""

    after_flush: list[Callable[[], None]] = field(default_factory=list)
    _thread: threading.Thread | None = None
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Prepare for a new thread. In a forked child the old one does not run, and its locks may be held forever."""
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
                    continue  # the circuit breaker has logged it; the next run tries again
                except Exception:
                    logger.exception("%s failed; the next run tries again", job.__qualname__)


_flusher = Flusher()
_counters = Counters(on_new_thread=_flusher.start)
_totals = Totals(_counters)
after_flush = _flusher.after_flush

os.register_at_fork(after_in_child=reset)
