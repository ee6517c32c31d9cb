"""Stop at once on SIGTERM and SIGINT, yet never in the middle of a write."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """The stop came while it was waiting or reading. Not an Exception: no handler of failures may eat it."""


class Stop:
    """Whether to end, and the only sleep of the loop.

    Not a threading.Event: a signal handler runs in the thread that waits, and Event.set() there can wait for ever
    for the lock that the very Event.wait() it interrupted holds.
    """

    def __init__(self) -> None:
        self._asked = False
        self._interruptible = False

    def is_set(self) -> bool:
        return self._asked

    def wait(self, seconds: float) -> None:
        """Sleep. Raises Interrupted."""
        with self.interruptible():
            time.sleep(seconds)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A signal in here raises Interrupted; outside it waits for the next look at `is_set`."""
        before, self._interruptible = self._interruptible, True
        try:
            if self._asked:  # between the last look and here
                raise Interrupted
            yield
        finally:
            self._interruptible = before

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._interruptible:
            self._interruptible = False  # a second signal must not break the clean-up of the first
            raise Interrupted


@contextmanager
def stops_on_signals(stop: Stop) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stop.on_signal) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
