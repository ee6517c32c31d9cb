"""Retention: how far back the view's ledger and interval buckets reach. The table answers queries for older games."""

from collections.abc import Sequence
from typing import NamedTuple

from analytics.conditions import Condition
from analytics.live import scripts
from analytics.live.keys import ALL, BUCKET_SECONDS, CHUNK_GAMES, LIVE, WRITER
from analytics.live.writer_lock import Writer, WriterFenced
from cachecore.redis_client import connections

DAY_SECONDS = 24 * 60 * 60


class Trimmed(NamedTuple):
    """The number of ledger chunks and of interval buckets that were dropped."""

    chunks: int
    buckets: int


def oldest_retained_id(head: int | None, keep_games: int) -> int:
    """Return the oldest id to retain: the start of a chunk, at least `keep_games` ids before the newest game."""
    return 0 if head is None else max(0, head - keep_games) // CHUNK_GAMES * CHUNK_GAMES


def oldest_bucket(now_ms: int, keep_days: int) -> int:
    """Return the oldest bucket to retain, in unix s."""
    return (now_ms // 1000 - keep_days * DAY_SECONDS) // BUCKET_SECONDS * BUCKET_SECONDS


def trim(writer: Writer, conditions: Sequence[Condition], retain_from_id: int, retain_from_bucket: int) -> Trimmed:
    """Drop the ledger's chunks and the interval buckets that are older than these. A limit is never lowered.

    Return how many were dropped. Raises WriterFenced, RedisUnavailable.
    """
    with connections.guarded_client("state") as client:
        status, chunks, buckets = scripts.trim_view(
            client,
            [
                *(WRITER.key(), LIVE.state, LIVE.chunks, LIVE.intervals(ALL)),
                *(LIVE.intervals(condition) for condition in conditions),
            ],
            [writer.token, LIVE.ledger(""), retain_from_id, retain_from_bucket],
        )
    if status != b"trimmed":
        raise WriterFenced
    return Trimmed(chunks, buckets)
