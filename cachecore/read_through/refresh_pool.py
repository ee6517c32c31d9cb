"""Threads of a process for factories in the background or under a time limit.

A family has half of them at most, so that one whose factories hang leaves the others theirs; what comes on top waits
its turn, within bounds. A process that ends waits for them for a moment only, so they are daemons and no executor's.
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

MAX_QUEUED = 100  # of a family

Job = Callable[[], object]


class QueuedJob(NamedTuple):
    family: str
    job: Job


class RefreshPool:
    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._share = max(1, threads // 2)
        self._changed = threading.Condition()
        self._busy: Counter[str] = Counter()
        self._queue: deque[QueuedJob] = deque()
        _pools.add(self)

    def submit(self, family: str, job: Job) -> bool:
        """Whether it will be done; False where too many of the family wait already, or no thread can begin."""
        turn = QueuedJob(family, job)
        with self._changed:
            if self._has_room(family):
                try:
                    threading.Thread(target=self._work, args=[turn], name="cache-refresh", daemon=True).start()
                except RuntimeError:  # the process ends, or the system allows no more
                    return False
                self._busy[family] += 1
            elif sum(waiting.family == family for waiting in self._queue) < MAX_QUEUED:
                self._queue.append(turn)
            else:
                return False
        return True

    def shutdown(self, seconds: float) -> None:
        """Wait so long for what is under way. What has not begun is not begun."""
        with self._changed:
            self._queue.clear()
            self._changed.wait_for(lambda: not self._busy.total(), seconds)

    def _has_room(self, family: str) -> bool:
        return self._busy[family] < self._share and self._busy.total() < self._threads

    def _work(self, turn: QueuedJob | None) -> None:
        while turn is not None:
            try:
                turn.job()
            except BaseException:  # also what ends a process: here it would end this thread's place among the family's
                logger.warning("a factory in the background failed", exc_info=True)
            turn = self._next(turn.family)

    def _next(self, done: str) -> QueuedJob | None:
        """The first that may begin now that one of a family is done."""
        with self._changed:
            self._busy[done] -= 1
            turn = next((waiting for waiting in self._queue if self._has_room(waiting.family)), None)
            if turn is not None:
                self._queue.remove(turn)
                self._busy[turn.family] += 1
            self._changed.notify_all()
            return turn


def _shutdown_all() -> None:
    """A value that is nearly made is stored; one that takes a minute is given up: its lease runs out."""
    for pool in list(_pools):
        pool.shutdown(conf.timeout_seconds())


_pools: "weakref.WeakSet[RefreshPool]" = weakref.WeakSet()
atexit.register(_shutdown_all)
os.register_at_fork(after_in_child=_pools.clear)  # a child has none of its parent's threads
