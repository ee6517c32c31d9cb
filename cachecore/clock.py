"""The one clock: Unix milliseconds, UTC, integers."""

import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000
