"""Threads of a process for factories in the background or under a time limit.

A family has half of them at most, so that one whose factories hang leaves the others theirs; what comes on top waits
its turn, within bounds.
"""

import logging
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)

MAX_WAITING = 100  # of a family

Job = Callable[[], object]


class BackgroundThreads:
    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="cache-refresh")
        self._share = max(1, threads // 2)
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[Job]] = defaultdict(deque)

    def begin(self, family: str, job: Job) -> bool:
        """Whether it will be done; False where too many of the family wait already. Raises RuntimeError at exit."""
        with self._lock:
            if self._busy[family] >= self._share:
                if len(self._waiting[family]) >= MAX_WAITING:
                    return False
                self._waiting[family].append(job)
                return True
            self._pool.submit(self._work, family, job)
            self._busy[family] += 1
        return True

    def _work(self, family: str, job: Job | None) -> None:
        while job is not None:
            try:
                job()
            except BaseException:  # also what ends a process: here it would end this thread's place among the family's
                logger.warning("a factory in the background failed", exc_info=True)
            job = self._next(family)

    def _next(self, family: str) -> Job | None:
        with self._lock:
            if waiting := self._waiting[family]:
                return waiting.popleft()
            self._busy[family] -= 1
            return None
