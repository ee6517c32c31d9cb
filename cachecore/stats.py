"""What the cache does, counted in this process."""

from collections import Counter
from typing import Literal

Event = Literal[
    *("hit", "local_hit", "stale", "miss", "negative", "error", "wait", "lease_lost", "refused", "stored", "refreshed"),
]

_counts: Counter[tuple[str, Event]] = Counter()


def count(family: str, event: Event, amount: int = 1) -> None:
    """Count an event of a family (its registered name). Cheap, never raises."""
    _counts[family, event] += amount


def timed(family: str, operation: Literal["read", "compute", "store"], seconds: float) -> None:
    """Observe how long an operation took."""


def sized(family: str, raw_bytes: int, stored_bytes: int) -> None:
    """Observe a value's size before and after compression."""
