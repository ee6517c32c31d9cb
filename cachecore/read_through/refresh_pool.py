"""Threads for factories that run in the background or under a time limit.

A family may use half of them, so that hanging factories of one family leave the other half to the others. Further jobs
wait in a bounded queue. The threads are daemons and not an executor's, because a process that exits waits for them for
a moment only.
"""

import atexit
import logging
import os
import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from cachecore import conf

logger = logging.getLogger(__name__)

MAX_QUEUED = 100  # jobs of one family

Job = Callable[[], object]


class QueuedJob(NamedTuple):
    family: str
    job: Job


class RefreshPool:
    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._threads_per_family = max(1, threads // 2)
        self._changed = threading.Condition()
        self._busy: Counter[str] = Counter()
        self._queue: deque[QueuedJob] = deque()
        _pools.add(self)

    def submit(self, family: str, job: Job) -> bool:
        """Start or queue a job. Return False if the family's queue is full or no thread can be started."""
        queued = QueuedJob(family, job)
        with self._changed:
            if self._has_room(family):
                try:
                    threading.Thread(target=self._work, args=[queued], name="cache-refresh", daemon=True).start()
                except RuntimeError:  # the process is exiting, or the system allows no more threads
                    return False
                self._busy[family] += 1
            elif sum(other.family == family for other in self._queue) < MAX_QUEUED:
                self._queue.append(queued)
            else:
                return False
        return True

    def shutdown(self, seconds: float) -> None:
        """Drop the queue and wait up to `seconds` for the running jobs."""
        with self._changed:
            self._queue.clear()
            self._changed.wait_for(lambda: not self._busy.total(), seconds)

    def _has_room(self, family: str) -> bool:
        return self._busy[family] < self._threads_per_family and self._busy.total() < self._threads

    def _work(self, queued: QueuedJob | None) -> None:
        while queued is not None:
            try:
                queued.job()
            except BaseException:  # SystemExit too: otherwise the family would lose this thread for good
                logger.warning("A factory in the background failed.", exc_info=True)
            queued = self._next_job(queued.family)

    def _next_job(self, finished_family: str) -> QueuedJob | None:
        """Return the first queued job that has room after a job of `finished_family` ended, or None."""
        with self._changed:
            self._busy[finished_family] -= 1
            queued = next((other for other in self._queue if self._has_room(other.family)), None)
            if queued is not None:
                self._queue.remove(queued)
                self._busy[queued.family] += 1
            self._changed.notify_all()
            return queued


def _shutdown_all() -> None:
    """Give running factories a moment to store their values. Longer ones are dropped; their leases expire."""
    for pool in list(_pools):
        pool.shutdown(conf.timeout_seconds())


_pools: "weakref.WeakSet[RefreshPool]" = weakref.WeakSet()
atexit.register(_shutdown_all)
os.register_at_fork(after_in_child=_pools.clear)  # a forked child has none of its parent's threads
