"""TTLs moved by measurement, for the families named in the setting CACHE_TUNING = {"games-list": 0.9}; off for others.

`ttl_for` is what whoever stores a value asks. Every process looks at the shared steps when it flushes its
statistics (cachecore/stats/stats.py); whoever finds a family due takes its next step, one process at a time.
"""

import re
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from cachecore import conf, keys
from cachecore.clock import now_ms
from cachecore.keys import Family
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.stats import server_info, stats
from cachecore.stats.measures import Snapshot
from cachecore.ttl import dttl
from cachecore.ttl.dttl import Bounds

PERIOD_SECONDS = 30
RANGE = 4  # of a family without a tier: between a quarter and four times its own TTL
STEPPING_SECONDS = 5

TUNING_STEPS = Family(
    name="tuning-steps",
    pattern="tuning:steps",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="family -> the last step of its TTL as JSON (tuning.Step)",
    written_by="cachecore.ttl.tuning.look",
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
    written_by="cachecore.ttl.tuning.look",
    purged_by="its TTL",
)


class Step(msgspec.Struct, frozen=True):
    """Where a family's TTL stands. `served` and `reads` are the totals when the step was taken."""

    ttl_seconds: float
    target: float
    hit_rate: float
    served: int
    reads: int
    at_ms: int


_steps: dict[str, Step] = {}
_intervals = dttl.ChangeIntervals()


def ttl_for(family: Family, default_seconds: float) -> float:
    """The family's TTL as tuned, else `default_seconds`. Touches no socket."""
    if family.name not in targets() or family.role != "cache":
        return default_seconds
    taken = _steps.get(family.name)
    return default_seconds if taken is None else bounds_of(family).clip(taken.ttl_seconds)


def bounds_of(family: Family) -> Bounds:
    """Those of its tier; around its own TTL where it has none."""
    if family.options.tier:
        tier = family.tier
        return Bounds(tier.least, tier.most)
    own = family.own_ttl_seconds
    return Bounds(own / RANGE, own * RANGE)


def newest_steps() -> dict[str, Step]:
    """Of the families being tuned, as Redis has them, else as this process last saw them."""
    if not targets():
        return {}
    with suppress(RedisUnavailable):
        _read()
    return {name: taken for name, taken in _steps.items() if name in targets()}


def look() -> None:
    """Learn the steps that others took, and take those that are due. Raises RedisUnavailable."""
    if not targets():
        return
    _intervals.see(server_info.namespace_versions())
    _read()
    at_ms = now_ms()
    due = [name for name in targets() if _is_cache(name) and _is_due(_steps.get(name), at_ms)]
    if due and _claim():
        _take(due, stats.snapshot(), at_ms)


def next_step(before: Step | None, family: Family, target: float, snapshot: Snapshot, at_ms: int) -> Step:
    """The first step stands at the family's own TTL and only notes the totals to count from."""
    seen = snapshot.family(family.name)
    served, reads = seen.served, seen.reads
    if before is None or reads < before.reads:  # the totals were lost
        return Step(
            before.ttl_seconds if before else family.own_ttl_seconds,
            target,
            seen.hit_rate or 0.0,
            served,
            reads,
            at_ms,
        )
    new_served, new_reads = served - before.served, reads - before.reads
    ttl_seconds = dttl.step(
        before.ttl_seconds,
        target=target,
        served=new_served,
        reads=new_reads,
        bounds=bounds_of(family),
        change_interval_seconds=_intervals.shortest(re.findall(r"version `([^`]+)`", family.purged_by)),
    )
    hit_rate = new_served / new_reads if new_reads else before.hit_rate
    return Step(ttl_seconds, target, hit_rate, served, reads, at_ms)


def targets() -> dict[str, float]:
    """Family -> the hit rate it is tuned to. What is no rate tunes nothing; the check tells it (cachecore.E002)."""
    return {name: target for name, target in conf.tuning_targets().items() if 0 < target < 1}


def _is_cache(family_name: str) -> bool:
    family = keys.registry.get(family_name)
    return family is not None and family.role == "cache"


def _is_due(taken: Step | None, at_ms: int) -> bool:
    """Not before the effect of the last step can be seen: a TTL later."""
    return taken is None or at_ms - taken.at_ms >= 1000 * max(PERIOD_SECONDS, taken.ttl_seconds)


def _claim() -> bool:
    with connections.guarded_client("state") as client:
        return bool(client.set(TUNING_STEPPING.key(), 1, nx=True, ex=TUNING_STEPPING.ttl_seconds))


def _take(due: Iterable[str], snapshot: Snapshot, at_ms: int) -> None:
    global _steps
    if not snapshot.complete:
        return
    taken = {name: next_step(_steps.get(name), keys.registry[name], targets()[name], snapshot, at_ms) for name in due}
    _steps = {**_steps, **taken}
    with connections.guarded_client("state") as client:
        client.hset(TUNING_STEPS.key(), mapping={name: msgspec.json.encode(step) for name, step in taken.items()})


def _read() -> None:
    global _steps
    with connections.guarded_client("state") as client:
        stored = client.hgetall(TUNING_STEPS.key())
    _steps = {name.decode(): msgspec.json.decode(step, type=Step) for name, step in stored.items()}


stats.after_flush.append(look)
