"""What the view keeps: so many games of ledger, so many days of buckets. Older answers come from the table."""

from collections.abc import Sequence
from typing import NamedTuple

from analytics.conditions import Condition
from analytics.live import scripts
from analytics.live.keys import ALL, BUCKET_SECONDS, CHUNK_GAMES, LIVE, WRITER
from analytics.live.writer_lock import Writer, WriterFenced
from cachecore.redis_client import connections

DAY_SECONDS = 24 * 60 * 60


class Trimmed(NamedTuple):
    chunks: int
    buckets: int


def oldest_retained_id(head: int | None, keep_games: int) -> int:
    """Oldest id to keep: whole chunks, at least `keep_games` ids up to the head."""
    return 0 if head is None else max(0, head - keep_games) // CHUNK_GAMES * CHUNK_GAMES


def oldest_bucket(now_ms: int, keep_days: int) -> int:
    """Oldest bucket to keep, unix s."""
    return (now_ms // 1000 - keep_days * DAY_SECONDS) // BUCKET_SECONDS * BUCKET_SECONDS


def trim(writer: Writer, conditions: Sequence[Condition], floor: int, oldest_bucket: int) -> Trimmed:
    """Raises Overtaken, RedisUnavailable."""
    with connections.guarded_client("state") as client:
        status, chunks, buckets = scripts.trim_view(
            client,
            [
                *(WRITER.key(), LIVE.state, LIVE.chunks, LIVE.intervals(ALL)),
                *(LIVE.intervals(condition) for condition in conditions),
            ],
            [writer.token, LIVE.ledger(""), floor, oldest_bucket],
        )
    if status != b"trimmed":
        raise WriterFenced
    return Trimmed(chunks, buckets)
