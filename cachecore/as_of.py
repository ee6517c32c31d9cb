"""Another moment for now, within a block of one thread: what was said of a sliding window can be computed again."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

pinned_ms: ContextVar[int | None] = ContextVar("pinned_ms", default=None)  # for cachecore.clock.now_ms


@contextmanager
def as_of(unix_ms: int) -> Iterator[None]:
    """`now_ms()` stands still. Only for what computes and stores nothing: times of keys and locks would be wrong."""
    outer = pinned_ms.set(unix_ms)
    try:
        yield
    finally:
        pinned_ms.reset(outer)
