"""Who pays what is owed to Redis: a thread that exists only while something is, and the process once more at its end.

Not who reads: a debt of everything takes seconds, and a process that idles would never pay.
"""

import atexit
import threading
import weakref
from contextlib import suppress
from typing import Protocol

FIRST_SECONDS = 0.1  # before the first try; doubled from try to try
LONGEST_SECONDS = 1.0


class Debtor(Protocol):
    def pay(self) -> None:
        """Try once; does not raise."""

    def owes_anything(self) -> bool: ...


class Payer:
    """Holds its debtor weakly: the debts of a cache that nobody uses any more end with it."""

    def __init__(self, debtor: Debtor) -> None:
        self._debtor = weakref.ref(debtor)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.thread: threading.Thread | None = None
        _payers.add(self)

    def wake(self) -> None:
        """After something was owed."""
        with self._lock, suppress(RuntimeError):  # no thread begins while the process ends: see _pay_at_exit
            if self.thread is None or not self.thread.is_alive():  # not alive: the parent's, in a forked child
                self._ended.clear()
                thread = threading.Thread(target=self._run, name="cachecore-payer", daemon=True)
                thread.start()
                self.thread = thread

    def end(self) -> None:
        """End the thread. What is owed stays owed, until it is woken again or `pay` is called."""
        with self._lock:
            thread, self.thread = self.thread, None
            self._ended.set()
        if thread is not None:
            thread.join()

    def pay(self) -> None:
        if (debtor := self._debtor()) is not None:
            debtor.pay()

    def _run(self) -> None:
        seconds = FIRST_SECONDS
        while True:
            if self._ended.wait(seconds):
                return
            self.pay()
            with self._lock:  # who owes something from here on finds no thread, and begins one
                if not self._owes_anything():
                    self.thread = None
                    return
            seconds = min(2 * seconds, LONGEST_SECONDS)

    def _owes_anything(self) -> bool:
        debtor = self._debtor()
        return debtor is not None and debtor.owes_anything()


def end_all() -> None:
    for payer in list(_payers):
        payer.end()


def _pay_at_exit() -> None:
    end_all()
    for payer in list(_payers):
        payer.pay()


_payers: "weakref.WeakSet[Payer]" = weakref.WeakSet()
atexit.register(_pay_at_exit)
