"""The one clock: Unix milliseconds, UTC, integers. A block can pin it to another moment."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_pinned_ms: ContextVar[int | None] = ContextVar("pinned_ms", default=None)


def now_ms() -> int:
    """Return the current time, or the pinned one within `as_of`."""
    pinned = _pinned_ms.get()
    return time.time_ns() // 1_000_000 if pinned is None else pinned


@contextmanager
def as_of(unix_ms: int) -> Iterator[None]:
    """Pin `now_ms()` to another moment within the block, in this thread or task only.

    A statement about a sliding window can so be computed again later. Use it only around code that computes and
    stores nothing: the times of keys and locks written within it would be wrong.
    """
    outer = _pinned_ms.set(unix_ms)
    try:
        yield
    finally:
        _pinned_ms.reset(outer)
