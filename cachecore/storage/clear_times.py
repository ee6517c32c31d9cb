"""When the responses of a family were last cleared: processes serve no older copy from memory.

The ASGI middleware keeps responses by the version of their namespace, which a clearing does not change, and deleting
their keys in Redis does not reach its memory. Each process polls these times, so it knows them as of less than a second
ago (cachecore/responses/version_watcher.py).
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
    holds="family -> unix ms of when its responses were last cleared",
    written_by="cachecore.storage.clear_times.record",
    purged_by="never",
    bounded_by="the families with a response policy",
)


def record(family: Family) -> None:
    """Record that a family was cleared now. Call it after its keys were deleted. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        client.hset(CLEARED.key(), family.name, now_ms())


def parse(reply: Mapping[bytes, bytes]) -> dict[str, int]:
    """Parse a reply to HGETALL into unix ms by family name."""
    return {name.decode(): int(time_ms) for name, time_ms in reply.items()}
