"""The arithmetic of tuning: move a TTL until the hit rate is what was asked. Pure.

Source: d-TTL of Basu, Sundarrajan, Ghaderi, Shakkottai, Sitaraman, "Adaptive TTL-Based Caching for Content Delivery",
IEEE/ACM Transactions on Networking 26 (3), 2018: theta <- clip(theta + eta (target - hit)), per request.
Changed: one step per period from the period's counts, in the logarithm of the TTL, with the error divided by
the slope it has where reads come at random (hit rate h = rate * ttl / (1 + rate * ttl), so dh / d ln ttl = h (1 - h)):
one gain then serves a TTL of a second and of an hour, and a target of 0.5 and of 0.95.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

GAIN = 0.3  # of the way to the target per step, on reads that come at random
LARGEST_STEP = math.log(2)  # a TTL at most doubles or halves in a step
RECENT = 0.3  # weight of the newest interval between two versions
ENOUGH_READS = 100  # with so many in a period the step is half of what it would be with any number


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a TTL, in seconds."""

    lowest: float
    highest: float

    def clip(self, ttl_seconds: float, change_interval_seconds: float | None = None) -> float:
        """Within the bounds, and never above the interval at which the truth changes: that wins over the lowest."""
        within = min(max(ttl_seconds, self.lowest), self.highest)
        return within if change_interval_seconds is None else min(within, change_interval_seconds)


def step(
    ttl_seconds: float,
    *,
    target: float,
    served: int,
    reads: int,
    bounds: Bounds,
    change_interval_seconds: float | None = None,
) -> float:
    """The next TTL, after a period in which the cache served `served` of `reads`; 0 < target < 1.

    A period must be no shorter than the TTL: only what is stored after a step shows its effect.
    """
    if not reads:
        return bounds.clip(ttl_seconds, change_interval_seconds)
    error = (target - served / reads) / (target * (1 - target))
    move = GAIN * error * reads / (reads + ENOUGH_READS)
    moved = ttl_seconds * math.exp(min(max(move, -LARGEST_STEP), LARGEST_STEP))
    return bounds.clip(moved, change_interval_seconds)


class ChangeIntervals:
    """How long the versions of namespaces last, as this process sees them: what lies between two looks is one."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    def see(self, versions: Mapping[str, int | None]) -> None:
        for name, version in versions.items():
            if version is None:
                continue
            before = self._versions.get(name, version)
            self._versions[name] = version
            if version > before:  # versions are server times in ms
                seconds = (version - before) / 1000
                known = self._seconds.get(name, seconds)
                self._seconds[name] = known + RECENT * (seconds - known)

    def shortest(self, names: Iterable[str]) -> float | None:
        """Of these namespaces, in seconds; None while no change was seen."""
        return min((self._seconds[name] for name in names if name in self._seconds), default=None)
