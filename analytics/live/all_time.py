"""All-time results in O(1) for the configured conditions, from the aggregates that the apply script maintains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from redis.client import Pipeline

from analytics.columns import Columns, Coverage
from analytics.compute.occurrences import Occurrences
from analytics.compute.series import Series, Summary
from analytics.conditions import Condition
from analytics.live import series
from analytics.live.keys import CHUNK_GAMES, LIVE, MAX_LONGEST_SERIES
from analytics.live.reader import STATE_REPLIES, ViewState, parse_state, queue_state_reads
from analytics.live.view_snapshot import ChunkNumbers, ViewSnapshot, read_snapshot
from cachecore.redis_client import connections

REPLIES_PER_CONDITION = 4  # of series.queue_reads, and the count
REQUIRED_FIELDS = {b"count", b"total_games"}


@dataclass(frozen=True, slots=True)
class AllTimeSeries:
    """Series over all games: as many as the query requests, in its order, and a summary of all of them."""

    condition: Condition
    series: list[Series]
    summary: Summary


def occurrences(conditions: Sequence[Condition]) -> tuple[ViewState, tuple[Coverage, list[Occurrences]]] | None:
    """Return the view's state, and the coverage and counts of each condition.

    Return None if there is no view or a condition is not configured. Raises RedisUnavailable.
    """
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        queue_state_reads(pipeline)
        for condition in conditions:
            pipeline.hgetall(LIVE.occurrences(condition))
        replies = pipeline.execute()
    view, cells = parse_state(replies), replies[STATE_REPLIES:]
    if view is None or view.changes_below_ledger or not all(cell.keys() >= REQUIRED_FIELDS for cell in cells):
        return None
    return view, (view.coverage, [_occurrences(c, cell) for c, cell in zip(conditions, cells, strict=True)])


def all_series(
    conditions: Sequence[Condition], sort: Literal["time", "length"], limit: int
) -> tuple[ViewState, tuple[list[AllTimeSeries], Columns]] | None:
    """Return the view's state, the series, and those of the ledger's games that the series refer to.

    Return None if there is no view or it stores fewer series than requested. Raises RedisUnavailable,
    ViewChangedDuringRead.
    """
    newest_closed = limit if sort == "time" else 0

    def queue_reads(pipeline: Pipeline) -> None:
        for condition in conditions:
            series.queue_reads(pipeline, condition, newest_closed=newest_closed)
            pipeline.hget(LIVE.occurrences(condition), "count")

    def needed_chunks(snapshot: ViewSnapshot) -> ChunkNumbers | None:
        found = _all_series(snapshot, conditions, sort, limit)
        if found is None:
            return None
        referenced = (game_id for one in found for row in one.series for game_id in row.ids)
        return {game_id // CHUNK_GAMES for game_id in referenced if game_id >= snapshot.state.oldest_retained_id}

    snapshot = read_snapshot(("series", *conditions, sort, limit), needed_chunks, queue_reads)
    if snapshot is None or (found := _all_series(snapshot, conditions, sort, limit)) is None:
        return None
    return snapshot.state, (found, snapshot.columns)


def _all_series(
    snapshot: ViewSnapshot, conditions: Sequence[Condition], sort: Literal["time", "length"], limit: int
) -> list[AllTimeSeries] | None:
    if snapshot.state.changes_below_ledger:
        return None
    found = []
    for number, condition in enumerate(conditions):
        replies = snapshot.replies[number * REPLIES_PER_CONDITION : (number + 1) * REPLIES_PER_CONDITION]
        stored = series.parse_series(replies[:-1], newest_closed=limit if sort == "time" else 0)
        count = replies[-1]
        if stored is None or count is None or (sort == "length" and limit > MAX_LONGEST_SERIES < stored.newest.before):
            return None
        rows = stored.rows(sort)[:limit]
        found.append(AllTimeSeries(condition, rows, _summary(stored, snapshot.state, int(count))))
    return found


def _summary(stored: series.StoredSeries, view: ViewState, met: int) -> Summary:
    newest = stored.newest.series
    if not newest.length:
        return Summary(0, None, None if view.newest is None else 0, None)
    count = stored.newest.before + 1
    longest = max(newest.length, *(one.length for one in stored.longest)) if stored.longest else newest.length
    return Summary(count, longest, newest.length if newest.is_open else 0, (view.games - met) / count)


def _occurrences(condition: Condition, cells: Mapping[bytes, Any]) -> Occurrences:
    first, last = (int(cells.get(name, 0)) or None for name in (b"first_game_time", b"last_game_time"))
    return Occurrences(condition, int(cells[b"count"]), int(cells[b"total_games"]), first, last)
