"""The contents of a view's hashes and sorted sets, computed from the table's columns.

A rebuild writes them; the drift check compares a view with them.
"""

from collections.abc import Sequence

import numpy as np

from analytics.columns import UNKNOWN_TIME, Columns, Integers
from analytics.compute.occurrences import Occurrences, occurrences
from analytics.conditions import Condition
from analytics.live import ledger, series
from analytics.live.keys import ALL, BUCKET_SECONDS, ViewKeys

Cells = dict[str, int | str]  # fields of a hash, or members of a sorted set with their scores


def view_cells(
    view: ViewKeys, columns: Columns, conditions: Sequence[Condition], oldest_retained_id: int, oldest_bucket: int
) -> dict[str, Cells]:
    """Return the cells of every hash by key, except the hash of the series.

    Counts are over all `columns`; the ledger begins at `oldest_retained_id`, the intervals at `oldest_bucket` (unix s).
    """
    retained = columns.where(columns.ids >= oldest_retained_id)
    buckets = columns.end_ms // 1000 // BUCKET_SECONDS * BUCKET_SECONDS
    counted = columns.timed() & (buckets >= oldest_bucket)
    cells: dict[str, Cells] = {
        view.state: _state(columns, oldest_retained_id, oldest_bucket),
        view.chunks: {str(number): str(summary) for number, summary in ledger.summaries(retained).items()},
        view.intervals(ALL): _per_bucket(buckets[counted]),
    }
    for found in occurrences(columns, conditions):
        met = columns.meet(found.condition)
        cells[view.occurrences(found.condition)] = _occurrences(found, columns.ids[met])
        cells[view.intervals(found.condition)] = _per_bucket(buckets[counted & met])
    return cells


def series_cells(view: ViewKeys, columns: Columns, conditions: Sequence[Condition]) -> tuple[Cells, dict[str, Cells]]:
    """Return the hash of the newest series, and the members of the sorted sets by key."""
    found = {condition: series.encode_series(columns, condition) for condition in conditions}
    sets: dict[str, Cells] = {}
    for condition, kept in found.items():
        sets[view.closed_series(condition)] = dict(kept.closed)
        sets[view.longest_series(condition)] = dict(kept.longest)
    return {str(condition): str(kept.newest) for condition, kept in found.items()}, sets


def _state(columns: Columns, oldest_retained_id: int, oldest_bucket: int) -> Cells:
    cells: Cells = {"games": len(columns), "floor": oldest_retained_id, "bucket_floor": oldest_bucket}
    if len(columns):
        cells |= {
            "first": int(columns.ids[0]),
            "first_time": int(columns.end_ms[0]),
            "head": int(columns.ids[-1]),
            "head_time": int(columns.end_ms[-1]),
        }
    return cells


def _per_bucket(buckets: Integers) -> Cells:
    starts, counts = np.unique(buckets, return_counts=True)
    return {f"bucket_{start}": count for start, count in zip(starts.tolist(), counts.tolist(), strict=True)}


def _occurrences(found: Occurrences, ids: Integers) -> Cells:
    cells: Cells = {"count": found.count, "total_games": found.games}
    if found.count:
        cells |= {
            "first_game": int(ids[0]),
            "first_game_time": found.first_game_ms or UNKNOWN_TIME,
            "last_game": int(ids[-1]),
            "last_game_time": found.last_game_ms or UNKNOWN_TIME,
        }
    return cells
