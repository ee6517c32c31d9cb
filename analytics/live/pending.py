"""The pending games: id -> the sequence number it got when it was last marked pending."""

from collections.abc import Sequence

from analytics.live import scripts
from analytics.live.keys import PENDING, SEQUENCE
from cachecore.batching import batched
from cachecore.redis_client import connections

IDS_PER_CALL = 1_000


def mark(ids: Sequence[int]) -> None:
    """Mark games pending, in this order.

    Raises RedisUnavailable. `reconcile` later finds the games that could not be marked.
    """
    with connections.guarded_client("state") as client:
        for part in batched(ids, IDS_PER_CALL):
            scripts.mark_pending(client, [PENDING.key(), SEQUENCE.key()], part)


def oldest(count: int) -> dict[int, int]:
    """Return up to `count` pending ids with their sequence numbers, the longest waiting first.

    Call this before reading the rows: an id that is marked again after its row was read must keep its newer number.
    """
    with connections.guarded_client("state") as client:
        members = client.zrange(PENDING.key(), 0, count - 1, withscores=True)
    return {int(game_id): int(sequence) for game_id, sequence in members}


def filter_pending(ids: Sequence[int]) -> set[int]:
    """Return those of these ids that are pending."""
    found: set[int] = set()
    with connections.guarded_client("state") as client:
        for part in batched(ids, IDS_PER_CALL):
            scores = client.zmscore(PENDING.key(), part)
            found.update(game_id for game_id, score in zip(part, scores, strict=True) if score is not None)
    return found


def size() -> int:
    with connections.guarded_client("state") as client:
        return int(client.zcard(PENDING.key()))
