"""Build the view anew from the table's columns, under staging names, and swap it in with one script."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from redis import Redis

from analytics.columns import UNKNOWN_TIME, Columns
from analytics.compute.occurrences import occurrences
from analytics.conditions import Condition, parse_names
from analytics.live import ledger, scripts
from analytics.live.keys import (
    ALL,
    BUCKET_SECONDS,
    EPOCH,
    LIVE,
    STAGED,
    UPDATES_CHANNEL,
    VERSION,
    WRITER,
    ViewKeys,
)
from analytics.live.writer import Overtaken, Writer
from cachecore import connections
from cachecore.clock import now_ms

STAGING_SECONDS = 60 * 60  # a build that was killed leaves nothing for ever
FIELDS_PER_CALL = 2_000
CHUNKS_PER_CALL = 64


def needed(conditions: Sequence[Condition]) -> bool:
    """Whether there is no view, one with other conditions, or one that a change below its ledger has passed by."""
    with connections.use("state") as client, client.pipeline(transaction=False) as pipeline:
        pipeline.exists(EPOCH.key())
        pipeline.hmget(LIVE.state, ["conditions", "below"])
        exists, (known, below) = pipeline.execute()
    return not exists or known != _names(conditions).encode() or bool(int(below or 0))


def rebuild(writer: Writer, columns: Columns, conditions: Sequence[Condition], *, floor: int, bucket_floor: int) -> int:
    """Build and swap; returns the new version. Readers see the old view until the new one is whole.

    `floor`: oldest game id the ledger keeps, a multiple of the chunk size; `bucket_floor`: oldest bucket, unix s.
    The all-time counts are over all `columns`. Raises Overtaken, RoleUnavailable.
    """
    kept = columns.where(columns.ids >= floor)
    with connections.use("state") as client:
        _clear_staging(client, conditions)
        chunks = _write_ledger(client, kept)
        _write_buckets(client, columns, conditions, bucket_floor)
        _write_occurrences(client, columns, conditions)
        _write_state(client, columns, conditions, floor, bucket_floor)
    writer.go_on()
    with connections.use("state") as client:
        return _swap(client, writer, conditions, chunks)


def _write_ledger(client: Redis, kept: Columns) -> list[int]:
    chunks = ledger.encode(kept)
    numbers = list(chunks)
    for start in range(0, len(numbers), CHUNKS_PER_CALL):
        with client.pipeline(transaction=False) as pipeline:
            for number in numbers[start : start + CHUNKS_PER_CALL]:
                pipeline.set(STAGED.ledger(number), chunks[number], ex=STAGING_SECONDS)
            pipeline.execute()
    _write_hash(client, STAGED.chunks, {str(n): str(facts) for n, facts in ledger.facts(kept).items()})
    return numbers


def _write_buckets(client: Redis, columns: Columns, conditions: Sequence[Condition], bucket_floor: int) -> None:
    buckets = columns.end_ms // 1000 // BUCKET_SECONDS * BUCKET_SECONDS
    counted = (columns.end_ms != UNKNOWN_TIME) & (buckets >= bucket_floor)
    _write_hash(client, STAGED.intervals(ALL), _per_bucket(buckets[counted]))
    for condition in conditions:
        _write_hash(client, STAGED.intervals(condition), _per_bucket(buckets[counted & columns.meet(condition)]))


def _per_bucket(buckets: np.ndarray) -> dict[str, int]:
    starts, counts = np.unique(buckets, return_counts=True)
    return {f"bucket_{start}": count for start, count in zip(starts.tolist(), counts.tolist(), strict=True)}


def _write_occurrences(client: Redis, columns: Columns, conditions: Sequence[Condition]) -> None:
    for found in occurrences(columns, conditions):
        cells: dict[str, int] = {"count": found.count, "total_games": found.games}
        if found.count:
            ids = columns.ids[columns.meet(found.condition)]
            cells |= {
                "first_game": int(ids[0]),
                "first_game_time": found.first_game_ms or UNKNOWN_TIME,
                "last_game": int(ids[-1]),
                "last_game_time": found.last_game_ms or UNKNOWN_TIME,
            }
        _write_hash(client, STAGED.occurrences(found.condition), cells)


def _write_state(
    client: Redis, columns: Columns, conditions: Sequence[Condition], floor: int, bucket_floor: int
) -> None:
    cells: dict[str, int | str] = {
        "games": len(columns),
        "conditions": _names(conditions),
        "floor": floor,
        "bucket_floor": bucket_floor,
        "built_ms": now_ms(),
        "below": 0,
    }
    if len(columns):
        cells |= {
            "first": int(columns.ids[0]),
            "first_time": int(columns.end_ms[0]),
            "head": int(columns.ids[-1]),
            "head_time": int(columns.end_ms[-1]),
        }
    _write_hash(client, STAGED.state, cells)


def _write_hash(client: Redis, key: str, cells: dict[str, Any]) -> None:
    items = list(cells.items())
    with client.pipeline(transaction=False) as pipeline:
        for start in range(0, len(items), FIELDS_PER_CALL):
            pipeline.hset(key, mapping=dict(items[start : start + FIELDS_PER_CALL]))
        if items:
            pipeline.expire(key, STAGING_SECONDS)
        pipeline.execute()


def _clear_staging(client: Redis, conditions: Iterable[Condition]) -> None:
    """What a killed build left; its chunks are overwritten or run out by themselves."""
    client.delete(*_hashes(STAGED, conditions))


def _hashes(view: ViewKeys, conditions: Iterable[Condition]) -> list[str]:
    per_condition = [key for c in conditions for key in (view.occurrences(c), view.intervals(c))]
    return [view.state, view.chunks, view.intervals(ALL), *per_condition]


def _swap(client: Redis, writer: Writer, conditions: Sequence[Condition], chunks: Sequence[int]) -> int:
    known: Any = client.hget(LIVE.state, "conditions")
    old_conditions = parse_names(known.decode().split()) if known else []
    removed = [key for key in _hashes(LIVE, {*old_conditions, *conditions}) if key != LIVE.chunks]
    pairs = [
        *zip(_hashes(STAGED, conditions), _hashes(LIVE, conditions), strict=True),
        *((STAGED.ledger(number), LIVE.ledger(number)) for number in chunks),
    ]
    status, version = scripts.swap_view(
        client,
        [
            *(VERSION.key(), EPOCH.key(), WRITER.key(), LIVE.chunks, *removed),
            *(key for pair in pairs for key in pair),
        ],
        [writer.token, UPDATES_CHANNEL, LIVE.ledger(""), secrets.token_hex(8), len(removed)],
    )
    if status != b"swapped":
        raise Overtaken
    return int(version)


def _names(conditions: Iterable[Condition]) -> str:
    return " ".join(str(condition) for condition in conditions)
