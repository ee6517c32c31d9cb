"""Count the games and cells that were found to differ from the table, and those that were repaired since."""

from collections.abc import Collection
from typing import NamedTuple

from analytics.live import pending
from analytics.live.keys import DRIFTED, REPAIRS
from cachecore.batching import batched
from cachecore.redis_client import connections

IDS_PER_CALL = 1_000


class RepairCounts(NamedTuple):
    """Numbers of games and cells since the counters began."""

    found: int
    repaired: int


def record_drifted_games(ids: Collection[int]) -> None:
    """Record games that differed and were marked pending. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        for part in batched(ids, IDS_PER_CALL):
            pipeline.sadd(DRIFTED.key(), *part)
        pipeline.hincrby(REPAIRS.key(), "found", len(ids))
        pipeline.execute()


def record_repaired_cells(count: int) -> None:
    """Record that `count` cells differed and a rebuild has corrected them. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        pipeline.hincrby(REPAIRS.key(), "found", count)
        pipeline.hincrby(REPAIRS.key(), "repaired", count)
        pipeline.execute()


def count_applied_repairs() -> None:
    """Count the drifted games that have been applied by now as repaired. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        for members in batched(client.sscan_iter(DRIFTED.key(), count=IDS_PER_CALL), IDS_PER_CALL):
            drifted = {int(member) for member in members}
            applied = drifted - pending.filter_pending(sorted(drifted))
            # SREM returns how many it removed, so two writers that run this at once count each game once.
            if applied and (removed := client.srem(DRIFTED.key(), *applied)):
                client.hincrby(REPAIRS.key(), "repaired", removed)


def read_counts() -> RepairCounts:
    """Return the counters. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        found, repaired = client.hmget(REPAIRS.key(), "found", "repaired")
    return RepairCounts(int(found or 0), int(repaired or 0))
