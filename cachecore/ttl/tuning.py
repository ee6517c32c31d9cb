"""Move TTLs towards a hit rate, for the families in the setting CACHE_TUNING = {"games-list": 0.9}; off for others.

Whoever stores a value calls `ttl_for`. Each process calls `update_steps` when it flushes its statistics
(cachecore/stats/stats.py): it reads the shared steps, and takes those that are due. One process at a time does so.

Source: d-TTL of Basu, Sundarrajan, Ghaderi, Shakkottai, Sitaraman, "Adaptive TTL-Based Caching for Content Delivery",
IEEE/ACM Transactions on Networking 26 (3), 2018: theta <- clip(theta + eta (target - hit)), per request.
Changed: one step per period from the period's counts, in the logarithm of the TTL, with the error divided by the
slope that it has where reads come at random (hit rate h = rate * ttl / (1 + rate * ttl), so dh / d ln ttl = h (1 - h)).
One gain then serves a TTL of a second and of an hour, and a target of 0.5 and of 0.95.
"""

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from cachecore import conf, keys
from cachecore.clock import now_ms
from cachecore.keys import Family
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import server_info, stats
from cachecore.stats.measures import Snapshot

PERIOD_SECONDS = 30
STEPPING_SECONDS = 5
RANGE = 4  # bounds of a family without a tier: a quarter to four times its own TTL

GAIN = 0.3  # share of the way to the target per step, where reads come at random
LARGEST_STEP = math.log(2)  # a TTL at most doubles or halves in a step
NEWEST_INTERVAL_WEIGHT = 0.3
ENOUGH_READS = 100  # with this many reads in a period the step is half of what it would be with any number

TUNING_STEPS = Family(
    name="tuning-steps",
    pattern="tuning:steps",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="family -> the last step of its TTL as JSON (tuning.Step)",
    written_by="cachecore.ttl.tuning.update_steps",
    purged_by="never; a lost one begins at the family's own TTL",
    bounded_by="families in CACHE_TUNING",
)
TUNING_STEPPING = Family(
    name="tuning-stepping",
    pattern="tuning:stepping",
    role="state",
    type="string",
    ttl_seconds=STEPPING_SECONDS,
    holds="set while a process takes steps",
    written_by="cachecore.ttl.tuning.update_steps",
    purged_by="its TTL",
)


class Step(msgspec.Struct, frozen=True):
    """A family's tuned TTL. `served` and `reads` are the totals when the step was taken."""

    ttl_seconds: float
    target: float
    hit_rate: float
    served: int
    reads: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """The lowest and the highest TTL of a family, in seconds."""

    lowest: float
    highest: float

    def clip(self, ttl_seconds: float, change_interval_seconds: float | None = None) -> float:
        """Return the TTL within the bounds and at most the interval at which the data change.

        Where the data change more often than the lowest bound, the interval wins.
        """
        within = min(max(ttl_seconds, self.lowest), self.highest)
        return within if change_interval_seconds is None else min(within, change_interval_seconds)


class ChangeIntervals:
    """Average intervals between the versions of namespaces, as this process has observed them.

    Several changes between two observations count as one.
    """

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    def observe(self, versions: Mapping[str, int | None]) -> None:
        """Update the averages from the current versions of all namespaces."""
        for name, version in versions.items():
            if version is None:
                continue
            before = self._versions.get(name, version)
            self._versions[name] = version
            if version > before:  # versions are server times in ms
                seconds = (version - before) / 1000
                average = self._seconds.get(name, seconds)
                self._seconds[name] = average + NEWEST_INTERVAL_WEIGHT * (seconds - average)

    def shortest(self, names: Iterable[str]) -> float | None:
        """Return the shortest interval of these namespaces in seconds; None if no change was observed."""
        return min((self._seconds[name] for name in names if name in self._seconds), default=None)


_steps: dict[str, Step] = {}
_intervals = ChangeIntervals()


def ttl_for(family: Family, default_seconds: float) -> float:
    """Return the family's tuned TTL, or `default_seconds` if it is not tuned. Performs no I/O."""
    if family.name not in targets() or family.role != "cache":
        return default_seconds
    step = _steps.get(family.name)
    return default_seconds if step is None else bounds_of(family).clip(step.ttl_seconds)


def bounds_of(family: Family) -> Bounds:
    """Return the bounds of the family's tier, or bounds around its own TTL if it has no tier."""
    if family.options.tier:
        tier = family.tier
        return Bounds(tier.least, tier.most)
    own = family.own_ttl_seconds
    return Bounds(own / RANGE, own * RANGE)


def newest_steps() -> dict[str, Step]:
    """Return the steps of the tuned families from Redis; those this process read last if Redis is unavailable."""
    if not targets():
        return {}
    with suppress(RedisUnavailable):
        _read_steps()
    return {name: step for name, step in _steps.items() if name in targets()}


def update_steps() -> None:
    """Read the steps of other processes and take those that are due. Raises RedisUnavailable."""
    if not targets():
        return
    _intervals.observe(server_info.namespace_versions())
    _read_steps()
    at_ms = now_ms()
    due = [name for name in targets() if _is_cache(name) and _is_due(_steps.get(name), at_ms)]
    if due and _claim_stepping():
        _take_steps(due, stats.snapshot(), at_ms)


def next_step(before: Step | None, family: Family, target: float, snapshot: Snapshot, at_ms: int) -> Step:
    """Return the step that follows `before`. The first one keeps the family's own TTL and only records the totals."""
    measures = snapshot.family(family.name)
    served, reads = measures.served, measures.reads
    if before is None or reads < before.reads:  # the totals were lost
        return Step(
            before.ttl_seconds if before else family.own_ttl_seconds,
            target,
            measures.hit_rate or 0.0,
            served,
            reads,
            at_ms,
        )
    new_served, new_reads = served - before.served, reads - before.reads
    ttl_seconds = next_ttl(
        before.ttl_seconds,
        target=target,
        served=new_served,
        reads=new_reads,
        bounds=bounds_of(family),
        change_interval_seconds=_intervals.shortest(re.findall(r"version `([^`]+)`", family.purged_by)),
    )
    hit_rate = new_served / new_reads if new_reads else before.hit_rate
    return Step(ttl_seconds, target, hit_rate, served, reads, at_ms)


def next_ttl(
    ttl_seconds: float,
    *,
    target: float,
    served: int,
    reads: int,
    bounds: Bounds,
    change_interval_seconds: float | None = None,
) -> float:
    """Return the TTL after a period in which the cache served `served` of `reads`. Pure; 0 < target < 1.

    A period must be no shorter than the TTL: only values stored after a step show its effect.
    """
    if not reads:
        return bounds.clip(ttl_seconds, change_interval_seconds)
    error = (target - served / reads) / (target * (1 - target))
    change = GAIN * error * reads / (reads + ENOUGH_READS)
    changed = ttl_seconds * math.exp(min(max(change, -LARGEST_STEP), LARGEST_STEP))
    return bounds.clip(changed, change_interval_seconds)


def targets() -> dict[str, float]:
    """Return the target hit rate by family. A target outside 0 to 1 is ignored here and reported by cachecore.E002."""
    return {name: target for name, target in conf.tuning_targets().items() if 0 < target < 1}


def _is_cache(family_name: str) -> bool:
    family = keys.registry.get(family_name)
    return family is not None and family.role == "cache"


def _is_due(step: Step | None, at_ms: int) -> bool:
    """Return True once a TTL has passed since the last step: its effect cannot be measured earlier."""
    return step is None or at_ms - step.at_ms >= 1000 * max(PERIOD_SECONDS, step.ttl_seconds)


def _claim_stepping() -> bool:
    with connections.guarded_client("state") as client:
        return bool(client.set(TUNING_STEPPING.key(), 1, nx=True, ex=TUNING_STEPPING.ttl_seconds))


def _take_steps(due: Iterable[str], snapshot: Snapshot, at_ms: int) -> None:
    global _steps
    if not snapshot.complete:
        return
    new = {name: next_step(_steps.get(name), keys.registry[name], targets()[name], snapshot, at_ms) for name in due}
    _steps = {**_steps, **new}
    with connections.guarded_client("state") as client:
        client.hset(TUNING_STEPS.key(), mapping={name: msgspec.json.encode(step) for name, step in new.items()})


def _read_steps() -> None:
    global _steps
    with connections.guarded_client("state") as client:
        stored = client.hgetall(TUNING_STEPS.key())
    _steps = {name.decode(): msgspec.json.decode(step, type=Step) for name, step in stored.items()}


stats.after_flush.append(update_steps)
