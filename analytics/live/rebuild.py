"""Rebuild the view from the table's columns under staging keys, and swap it in with one script."""

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

STAGING_SECONDS = 60 * 60  # the TTL of staging keys: those of a killed build must not stay forever
CELLS_PER_CALL = 2_000
CHUNKS_PER_CALL = 64
SCANNED_PER_CALL = 1_000


def is_rebuild_needed(conditions: Sequence[Condition], *, min_age_ms: float = 0) -> bool:
    """Return True if the view is absent, partly lost, or built for other conditions.

    Also return True if games below its ledger changed, unless it was built less than `min_age_ms` ago. Raises
    RedisUnavailable.
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
    """Build a view, swap it in, and return the new version. Readers see the old view until the new one is complete.

    The all-time counts are over all `columns`. The ledger begins at `oldest_retained_id`, a multiple of the chunk size,
    and the intervals at `oldest_bucket`, in unix s. Raises WriterFenced, RedisUnavailable.
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


def _write_ledger(writer: Writer, view: ViewKeys, columns: Columns) -> list[int]:
    """Write the chunks under staging keys and return their numbers."""
    chunks = ledger.encode(columns)
    numbers = list(chunks)
    for start in range(0, len(numbers), CHUNKS_PER_CALL):
        writer.extend()
        with connections.guarded_client("state") as client, client.pipeline(transaction=False) as pipeline:
            for number in numbers[start : start + CHUNKS_PER_CALL]:
                pipeline.set(view.ledger(number), chunks[number], ex=STAGING_SECONDS)
            pipeline.execute()
    return numbers


def _write(key: str, cells: Cells, command: Literal["hset", "zadd"]) -> None:
    """Write the fields of a hash, or the members of a sorted set."""
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
    """Return every key of the present view and of abandoned builds.

    They are found with SCAN, because what would name them (the index, the former conditions) may be lost.
    """
    retained = {family.key() for family in COORDINATION}
    found = (key.decode() for key in client.scan_iter(match=f"{PREFIX}*", count=SCANNED_PER_CALL))
    return [key for key in found if key not in retained and not key.startswith(f"{PREFIX}{view.staging}")]


def _names(conditions: Iterable[Condition]) -> str:
    return " ".join(str(condition) for condition in conditions)
