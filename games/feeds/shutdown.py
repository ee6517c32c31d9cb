"""Stop at once on SIGTERM and SIGINT, but never in the middle of a write."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """A stop was requested during a wait or a read. A BaseException, so that no `except Exception` swallows it."""


class StopFlag:
    """Set by a signal to end the loop; also provides the only sleep of the loop.

    It is not a threading.Event. A signal handler runs in the thread that waits, and Event.set() there can deadlock on
    the lock that the interrupted Event.wait() holds.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._interruptible = False

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Sleep. Raises Interrupted if a signal arrives."""
        with self.interruptible():
            time.sleep(seconds)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal raise Interrupted inside this block. Elsewhere a signal only sets the flag."""
        before, self._interruptible = self._interruptible, True
        try:
            if self._is_set:  # the signal arrived between the caller's last check and this line
                raise Interrupted
            yield
        finally:
            self._interruptible = before

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self._is_set = True
        if self._interruptible:
            self._interruptible = False  # a second signal must not interrupt the clean-up of the first
            raise Interrupted


@contextmanager
def stop_on_signals(stop: StopFlag) -> Iterator[None]:
    """Set the flag on SIGTERM and SIGINT; restore the previous handlers on exit."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stop.on_signal) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
