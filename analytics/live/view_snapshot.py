"""Read the part of the ledger that a query needs, all of it at one version.

Which chunks are needed becomes known only while reading. A read is therefore repeated with more chunks until it has all
of them; each attempt is one transaction. The first attempt loads the chunks that the last query of the same kind
needed, which mostly suffices.
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

MAX_READS = 20  # each read at most doubles the number of chunks
MAX_CHUNK_HINTS = 256

ChunkNumbers = set[int]
QueueReads = Callable[[Pipeline], None]


# Query -> the chunks that it needed last. Only a hint: a wrong one costs another read.
_chunk_hints: BoundedCache[Hashable, frozenset[int]] = BoundedCache(MAX_CHUNK_HINTS)


class ViewChangedDuringRead(Exception):
    """The view changed during every attempt to read it. The caller reads the table instead."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewSnapshot:
    """The view at one version: its state and index, the games of `loaded_chunks`, and replies to additional reads."""

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
    """Return a snapshot that has loaded every chunk that `needed_chunks` names for it.

    Return None if there is no view, or if `needed_chunks` returns None: the view cannot answer the query. `query`
    identifies the kind of query without its time; `queue_reads` adds reads whose replies the snapshot carries. Raises
    RedisUnavailable, ViewChangedDuringRead.
    """
    chosen: ChunkNumbers = set(_chunk_hints.get(query) or ())
    for _ in range(MAX_READS):
        snapshot = _read(sorted(chosen), queue_reads)
        more = needed_chunks(snapshot) if snapshot is not None else None
        if snapshot is None or more is None:
            return None
        if more <= chosen:
            _chunk_hints.set(query, frozenset(more))
            return snapshot
        chosen |= more
    raise ViewChangedDuringRead


def older_chunks(snapshot: ViewSnapshot, chosen: ChunkNumbers) -> ChunkNumbers:
    """Return as many chunks before the chosen ones as those are; the newest chunk if none is chosen yet."""
    numbers = sorted(snapshot.index)
    if not chosen:
        return set(numbers[-1:])
    return set([number for number in numbers if number < min(chosen)][-len(chosen) :])


def newer_chunks(snapshot: ViewSnapshot, chosen: ChunkNumbers) -> ChunkNumbers:
    """Return as many chunks after the chosen ones as those are."""
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
    after_state = replies[STATE_REPLIES:]
    index = parse_index(after_state[0])
    if is_damaged(view, index):
        return None
    found = {number: chunk for number, chunk in zip(numbers, after_state[1], strict=True) if chunk} if numbers else {}
    columns = ledger.decode(found)
    if len(columns) != sum(index[number].games for number in numbers if number in index):
        return None  # a chunk was lost; the next writer rebuilds the view
    return ViewSnapshot(view, index, frozenset(numbers), columns, after_state[2 if numbers else 1 :])
