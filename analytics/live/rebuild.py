"""Build the view anew from the table's columns, under staging names, and swap it in with one script."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Literal

from redis import Redis

from analytics.columns import UNKNOWN_TIME, Columns
from analytics.conditions import Condition
from analytics.live import ledger, reader, scripts
from analytics.live.cells import Cells, series_cells, view_cells
from analytics.live.keys import (
    ALL,
    COORDINATION,
    EPOCH,
    EVENTS,
    LIVE,
    PREFIX,
    UPDATES_CHANNEL,
    VERSION,
    WRITER,
    ViewKeys,
    staging_keys,
)
from analytics.live.writer_lock import Writer, WriterFenced
from cachecore.clock import now_ms
from cachecore.redis_client import connections

STAGING_SECONDS = 60 * 60  # a build that was killed leaves nothing for ever
CELLS_PER_CALL = 2_000
CHUNKS_PER_CALL = 64
SCANNED_PER_CALL = 1_000


def is_rebuild_needed(conditions: Sequence[Condition], *, min_age_ms: float = 0) -> bool:
    """Whether there is no whole view, one with other conditions, or one that a change below its ledger passed by, and
    that was built so long ago.
    """
    view = reader.view_state()
    if view is None or view.conditions != _names(conditions):
        return True
    if view.changes_below_ledger > 0 and now_ms() - view.built_ms >= min_age_ms:
        return True
    index = reader.index()
    return reader.is_damaged(view, index) or not reader.all_chunks_exist(index)


def rebuild(
    writer: Writer, columns: Columns, conditions: Sequence[Condition], *, oldest_retained_id: int, oldest_bucket: int
) -> int:
    """Build and swap; returns the new version. Readers see the old view until the new one is whole.

    `floor`: oldest game id the ledger keeps, a multiple of the chunk size; `bucket_floor`: oldest bucket, unix s.
    The all-time counts are over all `columns`. Raises Overtaken, RedisUnavailable.
    """
    view = staging_keys(writer.token)
    cells = view_cells(view, columns, conditions, oldest_retained_id, oldest_bucket)
    below_end = int(columns.end_ms[columns.ids < oldest_retained_id].max(initial=UNKNOWN_TIME))
    cells[view.state] |= {
        "conditions": _names(conditions),
        "built_ms": now_ms(),
        "below": 0,
        "below_end": below_end,
    }
    cells[view.series], sets = series_cells(view, columns, conditions)
    chunks = _write_ledger(writer, view, columns.where(columns.ids >= oldest_retained_id))
    for key, values in cells.items():
        writer.extend()
        _write(key, values, "hset")
    for key, values in sets.items():
        writer.extend()
        _write(key, values, "zadd")
    writer.extend()
    with connections.guarded_client("state") as client:
        return _swap(client, writer, view, conditions, chunks)


def _write_ledger(writer: Writer, view: ViewKeys, kept: Columns) -> list[int]:
    chunks = ledger.encode(kept)
    numbers = list(chunks)
    for start in range(0, len(numbers), CHUNKS_PER_CALL):
        writer.extend()
        with connections.guarded_client("state") as client, client.pipeline(transaction=False) as pipeline:
            for number in numbers[start : start + CHUNKS_PER_CALL]:
                pipeline.set(view.ledger(number), chunks[number], ex=STAGING_SECONDS)
            pipeline.execute()
    return numbers


def _write(key: str, cells: Cells, command: Literal["hset", "zadd"]) -> None:
    """Fields of a hash, or members of a sorted set."""
    items = list(cells.items())
    with connections.guarded_client("state") as client, client.pipeline(transaction=False) as pipeline:
        for start in range(0, len(items), CELLS_PER_CALL):
            getattr(pipeline, command)(key, mapping=dict(items[start : start + CELLS_PER_CALL]))
        if items:
            pipeline.expire(key, STAGING_SECONDS)
        pipeline.execute()


def _keys(view: ViewKeys, conditions: Iterable[Condition]) -> list[str]:
    per_condition = [key for condition in conditions for key in view.condition_keys(condition)]
    return [view.state, view.chunks, view.intervals(ALL), view.series, *per_condition]


def _swap(client: Redis, writer: Writer, view: ViewKeys, conditions: Sequence[Condition], chunks: Sequence[int]) -> int:
    removed = _keys_to_remove(client, view)
    pairs = [
        *zip(_keys(view, conditions), _keys(LIVE, conditions), strict=True),
        *((view.ledger(number), LIVE.ledger(number)) for number in chunks),
    ]
    status, version = scripts.swap_view(
        client,
        [
            *(VERSION.key(), EPOCH.key(), WRITER.key(), EVENTS.key(), *removed),
            *(key for pair in pairs for key in pair),
        ],
        [writer.token, UPDATES_CHANNEL, secrets.token_hex(8), len(removed)],
    )
    if status != b"swapped":
        raise WriterFenced
    return int(version)


def _keys_to_remove(client: Redis, view: ViewKeys) -> list[str]:
    """Every key of the live view as it stands, and of builds that were given up. Looked for, not remembered: what would
    name them (the index, the configured conditions) may be lost."""
    kept = {family.key() for family in COORDINATION}
    found = (key.decode() for key in client.scan_iter(match=f"{PREFIX}*", count=SCANNED_PER_CALL))
    return [key for key in found if key not in kept and not key.startswith(f"{PREFIX}{view.staging}")]


def _names(conditions: Iterable[Condition]) -> str:
    return " ".join(str(condition) for condition in conditions)
