"""Games waiting to be applied: id -> the sequence number of its last marking."""

from collections.abc import Sequence

from analytics.live import scripts
from analytics.live.keys import PENDING, SEQUENCE
from cachecore.batching import batched
from cachecore.redis_client import connections

IDS_PER_CALL = 1_000


def mark(ids: Sequence[int]) -> None:
    """Raises RedisUnavailable; then `reconcile` finds what was not marked."""
    with connections.guarded_client("state") as client:
        for part in batched(ids, IDS_PER_CALL):
            scripts.mark_pending(client, [PENDING.key(), SEQUENCE.key()], part)


def oldest(count: int) -> dict[int, int]:
    """Up to `count` ids with their numbers, longest waiting first. Read this before the rows."""
    with connections.guarded_client("state") as client:
        marked = client.zrange(PENDING.key(), 0, count - 1, withscores=True)
    return {int(game_id): int(sequence) for game_id, sequence in marked}


def filter_pending(ids: Sequence[int]) -> set[int]:
    """Those of these ids that are marked."""
    found: set[int] = set()
    with connections.guarded_client("state") as client:
        for part in batched(ids, IDS_PER_CALL):
            scores = client.zmscore(PENDING.key(), part)
            found.update(game_id for game_id, score in zip(part, scores, strict=True) if score is not None)
    return found


def size() -> int:
    with connections.guarded_client("state") as client:
        return int(client.zcard(PENDING.key()))
