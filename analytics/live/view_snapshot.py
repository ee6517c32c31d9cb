"""Read as much of the ledger as a question needs, all of it at one moment.

Which chunks are needed shows only as they are read, so a read is repeated with more of them; each is one transaction.
The first one begins with the chunks that the same kind of question needed last: mostly it suffices.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.client import Pipeline

from analytics.bounded_cache import BoundedCache
from analytics.columns import Columns
from analytics.live import ledger
from analytics.live.keys import LIVE
from analytics.live.ledger import ChunkSummary
from analytics.live.reader import STATE_REPLIES, ViewState, is_damaged, parse_index, parse_state, queue_state_reads
from cachecore.redis_client import connections

MAX_READS = 20  # the chunks read double each time
MAX_CHUNK_HINTS = 256

ChunkNumbers = set[int]
QueueReads = Callable[[Pipeline], None]


_chunk_hints: BoundedCache[Hashable, frozenset[int]] = BoundedCache(MAX_CHUNK_HINTS)  # only a guess


class ViewChangedDuringRead(Exception):
    """The view moved on during every try; ask the table."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewSnapshot:
    """The view's head and index, the games of the chunks in `read`, and the replies to what else was asked."""

    state: ViewState
    index: dict[int, ChunkSummary]
    loaded_chunks: frozenset[int]
    columns: Columns
    replies: list[Any]


def read_snapshot(
    query: Hashable,
    needed_chunks: Callable[[ViewSnapshot], ChunkNumbers | None],
    queue_reads: QueueReads = lambda pipeline: None,
) -> ViewSnapshot | None:
    """The moment that holds every chunk `needed` tells of it; None when it tells None or there is no view.

    `question`: what is asked, but for the time. Raises RedisUnavailable, Moving.
    """
    chosen: ChunkNumbers = set(_chunk_hints.get(query) or ())
    for _ in range(MAX_READS):
        moment = _read(sorted(chosen), queue_reads)
        more = needed_chunks(moment) if moment is not None else None
        if moment is None or more is None:
            return None
        if more <= chosen:
            _chunk_hints.set(query, frozenset(more))
            return moment
        chosen |= more
    raise ViewChangedDuringRead


def older_chunks(snapshot: ViewSnapshot, chosen: ChunkNumbers) -> ChunkNumbers:
    """As many chunks before the chosen ones as those are; the newest chunk when nothing is chosen yet."""
    numbers = sorted(snapshot.index)
    if not chosen:
        return set(numbers[-1:])
    return set([number for number in numbers if number < min(chosen)][-len(chosen) :])


def newer_chunks(snapshot: ViewSnapshot, chosen: ChunkNumbers) -> ChunkNumbers:
    """As many chunks after the chosen ones as those are."""
    return set([number for number in sorted(snapshot.index) if number > max(chosen)][: len(chosen)])


def _read(numbers: Sequence[int], queue_reads: QueueReads) -> ViewSnapshot | None:
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        queue_state_reads(pipeline)
        pipeline.hgetall(LIVE.chunks)
        if numbers:
            pipeline.mget([LIVE.ledger(number) for number in numbers])
        queue_reads(pipeline)
        replies = pipeline.execute()
    view = parse_state(replies)
    if view is None:
        return None
    after_head = replies[STATE_REPLIES:]
    index = parse_index(after_head[0])
    if is_damaged(view, index):
        return None
    held = {number: chunk for number, chunk in zip(numbers, after_head[1], strict=True) if chunk} if numbers else {}
    columns = ledger.decode(held)
    if len(columns) != sum(index[number].games for number in numbers if number in index):
        return None  # a chunk was lost; the next writer builds the view anew
    return ViewSnapshot(view, index, frozenset(numbers), columns, after_head[2 if numbers else 1 :])
