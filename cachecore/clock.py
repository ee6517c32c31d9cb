"""The one clock: Unix milliseconds, UTC, integers. Within `as_of` it stands still (cachecore/as_of.py)."""

import time

from cachecore.as_of import pinned_ms


def now_ms() -> int:
    pinned = pinned_ms.get()
    return time.time_ns() // 1_000_000 if pinned is None else pinned
