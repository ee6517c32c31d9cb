"""Counting in one process: what it costs is a dictionary increment, and nothing is lost."""

import threading
from collections import defaultdict
from collections.abc import Callable

Name = tuple[str, str]  # family, measure


class Counters:
    """Integers that only grow, added to by any thread without a lock.

    Every thread adds to a dict of its own. In one dict for all, `+=` would lose counts now and then: A reads 7,
    B reads 7, A writes 8, B writes 8. A reader copies each dict in one C call, which the interpreter does not
    interrupt, and so needs no lock either.
    """

    def __init__(self, on_new_thread: Callable[[], None] = lambda: None) -> None:
        self._on_new_thread = on_new_thread
        self.reset()

    def reset(self) -> None:
        """Begin at nothing: a forked child must not count its parent's counts once more."""
        self._registering = threading.Lock()
        self._local = threading.local()
        self._living: list[tuple[threading.Thread, defaultdict[Name, int]]] = []
        self._ended: defaultdict[Name, int] = defaultdict(int)

    def add(self, family: str, measure: str, amount: int = 1) -> None:
        try:
            self._local.counts[family, measure] += amount
        except AttributeError:
            self._of_this_thread()[family, measure] += amount

    def totals(self) -> dict[Name, int]:
        """What all threads counted, also those that have ended."""
        with self._registering:
            self._fold_ended()
            totals = self._ended.copy()
            for _, counts in self._living:
                _add_to(totals, counts.copy())
        return dict(totals)

    def _of_this_thread(self) -> defaultdict[Name, int]:
        counts: defaultdict[Name, int] = defaultdict(int)
        with self._registering:
            self._fold_ended()
            self._living.append((threading.current_thread(), counts))
        self._local.counts = counts
        self._on_new_thread()
        return counts

    def _fold_ended(self) -> None:
        """A thread that has ended writes no more: its counts need no dict of their own."""
        for thread, counts in self._living:
            if not thread.is_alive():
                _add_to(self._ended, counts)
        self._living = [(thread, counts) for thread, counts in self._living if thread.is_alive()]


def _add_to(totals: defaultdict[Name, int], counts: dict[Name, int]) -> None:
    for name, amount in counts.items():
        totals[name] += amount
