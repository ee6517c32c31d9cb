"""The usual alternative to the live view: one HINCRBY per counter, in one pipeline per call.

It has the same counters as the view and nothing else: no ledger, series, extremes, corrections, version or events. A
repeated call counts twice. The counters begin as copies of the view's own hashes, so both write into hashes of the same
size.
"""

from collections.abc import Sequence

from analytics.columns import Columns
from analytics.conditions import Condition
from analytics.live.keys import ALL, BUCKET_SECONDS, LIVE, ViewKeys
from cachecore.redis_client import connections

PLAIN = ViewKeys("benchmark:")


def copy_from_view(conditions: Sequence[Condition]) -> None:
    with connections.guarded_client("state") as client:
        for name in (ALL, *map(str, conditions)):
            client.copy(LIVE.intervals(name), PLAIN.intervals(name), replace=True)
            if name != ALL:
                client.copy(LIVE.occurrences(name), PLAIN.occurrences(name), replace=True)


def count(games: Columns, conditions: Sequence[Condition]) -> None:
    with connections.guarded_client("state") as client, client.pipeline(transaction=False) as pipeline:
        for crash, end_ms in zip(games.crash.tolist(), games.end_ms.tolist(), strict=True):
            bucket = f"bucket_{end_ms // 1000 // BUCKET_SECONDS * BUCKET_SECONDS}"
            pipeline.hincrby(PLAIN.state, "games", 1)
            pipeline.hincrby(PLAIN.intervals(ALL), bucket, 1)
            for condition in conditions:
                if condition.lowest <= crash <= condition.highest:
                    pipeline.hincrby(PLAIN.occurrences(condition), "count", 1)
                    pipeline.hincrby(PLAIN.intervals(condition), bucket, 1)
        pipeline.execute()


def count_one() -> None:
    """Send a single HINCRBY, the lower bound for any call."""
    with connections.guarded_client("state") as client:
        client.hincrby(PLAIN.state, "games", 1)
