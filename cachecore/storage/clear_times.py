"""When the answers of a family were cleared by hand, which no version tells: memories older than that are not served.

The front door holds answers by their namespace's version; deleting their keys in Redis would not reach it. Each process
knows the moments as they were less than a second ago (cachecore/responses/version_watcher.py).
"""

from collections.abc import Mapping

from cachecore.clock import now_ms
from cachecore.keys import Family
from cachecore.redis_client import connections

CLEARED = Family(
    name="cleared-answers",
    pattern="responses:cleared",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="family -> unix ms of when its answers were last cleared by hand",
    written_by="cachecore.storage.clear_times.mark",
    purged_by="never",
    bounded_by="the families with a response policy",
)


def record(family: Family) -> None:
    """After its keys were deleted. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        client.hset(CLEARED.key(), family.name, now_ms())


def parse(found: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(moment) for name, moment in found.items()}
