"""Counters of one process: a count costs one dictionary increment, and no count is lost between threads."""

import threading
from collections import defaultdict
from collections.abc import Callable

Name = tuple[str, str]  # family, measure


class Counters:
    """Increasing integers that any thread may add to without a lock.

    Every thread has a dict of its own. In a shared dict `+=` would sometimes lose counts: A reads 7, B reads 7,
    A writes 8, B writes 8. Reading copies each dict in one C call, which the interpreter does not interrupt, so it
    needs no lock either.
    """

    def __init__(self, on_new_thread: Callable[[], None] = lambda: None) -> None:
        self._on_new_thread = on_new_thread
        self.reset()

    def reset(self) -> None:
        """Start again at zero: a forked child must not count its parent's counts a second time."""
        self._registering = threading.Lock()
        self._local = threading.local()
        self._living: list[tuple[threading.Thread, defaultdict[Name, int]]] = []
        self._ended: defaultdict[Name, int] = defaultdict(int)

    def add(self, family: str, measure: str, amount: int = 1) -> None:
        try:
            self._local.counts[family, measure] += amount
        except AttributeError:
            self._create_for_this_thread()[family, measure] += amount

    def totals(self) -> dict[Name, int]:
        """Return the counts of all threads, ended ones included."""
        with self._registering:
            self._fold_ended()
            totals = self._ended.copy()
            for _, counts in self._living:
                _add_to(totals, counts.copy())
        return dict(totals)

    def _create_for_this_thread(self) -> defaultdict[Name, int]:
        counts: defaultdict[Name, int] = defaultdict(int)
        with self._registering:
            self._fold_ended()
            self._living.append((threading.current_thread(), counts))
        self._local.counts = counts
        self._on_new_thread()
        return counts

    def _fold_ended(self) -> None:
        """Add up the counts of ended threads, which write no more, so that their dicts can be freed."""
        for thread, counts in self._living:
            if not thread.is_alive():
                _add_to(self._ended, counts)
        self._living = [(thread, counts) for thread, counts in self._living if thread.is_alive()]


def _add_to(totals: defaultdict[Name, int], counts: dict[Name, int]) -> None:
    for name, amount in counts.items():
        totals[name] += amount
