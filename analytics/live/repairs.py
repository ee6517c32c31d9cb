"""What reconciling found to differ from the table, and how much of it has been put right since."""

from collections.abc import Collection
from typing import NamedTuple

from analytics.live import pending
from analytics.live.keys import DRIFTED, REPAIRS
from cachecore.batching import batched
from cachecore.redis_client import connections

IDS_PER_CALL = 1_000


class RepairCounts(NamedTuple):
    """Games and cells, since the counters began."""

    found: int
    repaired: int


def record_drifted_games(ids: Collection[int]) -> None:
    """These games differed and are marked. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        for part in batched(ids, IDS_PER_CALL):
            pipeline.sadd(DRIFTED.key(), *part)
        pipeline.hincrby(REPAIRS.key(), "found", len(ids))
        pipeline.execute()


def record_repaired_cells(count: int) -> None:
    """So many cells differed and were built anew."""
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        pipeline.hincrby(REPAIRS.key(), "found", count)
        pipeline.hincrby(REPAIRS.key(), "repaired", count)
        pipeline.execute()


def count_applied_repairs() -> None:
    """Count as repaired what was found and has been applied by now."""
    with connections.guarded_client("state") as client:
        for members in batched(client.sscan_iter(DRIFTED.key(), count=IDS_PER_CALL), IDS_PER_CALL):
            drifted = {int(member) for member in members}
            applied = drifted - pending.filter_pending(sorted(drifted))
            # Who takes an id out counts it: two that settle at once count it once.
            if applied and (taken := client.srem(DRIFTED.key(), *applied)):
                client.hincrby(REPAIRS.key(), "repaired", taken)


def read_counts() -> RepairCounts:
    with connections.guarded_client("state") as client:
        found, repaired = client.hmget(REPAIRS.key(), "found", "repaired")
    return RepairCounts(int(found or 0), int(repaired or 0))
