"""Answers over all games in O(1), for the configured conditions, from what the script counts."""

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

REPLIES_PER_CONDITION = 4  # replies per condition
REQUIRED_FIELDS = {b"count", b"total_games"}


@dataclass(frozen=True, slots=True)
class AllTimeSeries:
    """Series of all games: those asked for, in the order asked, and what is said of all of them."""

    condition: Condition
    series: list[Series]
    summary: Summary


def occurrences(conditions: Sequence[Condition]) -> tuple[ViewState, tuple[Coverage, list[Occurrences]]] | None:
    """None where one is not configured or there is no view. Raises RedisUnavailable."""
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
    """Also the ledger's games that the series name. None where they go beyond what is kept. Raises as above, Moving."""

    closed = limit if sort == "time" else 0

    def ask(pipeline: Pipeline) -> None:
        for condition in conditions:
            series.queue_reads(pipeline, condition, newest_closed=closed)
            pipeline.hget(LIVE.occurrences(condition), "count")

    def needed(moment: ViewSnapshot) -> ChunkNumbers | None:
        found = _all_series(moment, conditions, sort, limit)
        if found is None:
            return None
        named = (game_id for one in found for row in one.series for game_id in row.ids)
        return {game_id // CHUNK_GAMES for game_id in named if game_id >= moment.state.oldest_retained_id}

    moment = read_snapshot(("series", *conditions, sort, limit), needed, ask)
    if moment is None or (found := _all_series(moment, conditions, sort, limit)) is None:
        return None
    return moment.state, (found, moment.columns)


def _all_series(
    moment: ViewSnapshot, conditions: Sequence[Condition], sort: Literal["time", "length"], limit: int
) -> list[AllTimeSeries] | None:
    if moment.state.changes_below_ledger:
        return None
    found = []
    for number, condition in enumerate(conditions):
        replies = moment.replies[number * REPLIES_PER_CONDITION : (number + 1) * REPLIES_PER_CONDITION]
        known, count = series.parse_series(replies[:-1], closed=limit if sort == "time" else 0), replies[-1]
        if known is None or count is None or (sort == "length" and limit > MAX_LONGEST_SERIES < known.newest.before):
            return None
        rows = known.rows(sort)[:limit]
        found.append(AllTimeSeries(condition, rows, _summary(known, moment.state, int(count))))
    return found


def _summary(known: series.StoredSeries, view: ViewState, met: int) -> Summary:
    newest = known.newest.series
    if not newest.length:
        return Summary(0, None, None if view.newest is None else 0, None)
    count = known.newest.before + 1
    longest = max(newest.length, *(one.length for one in known.longest)) if known.longest else newest.length
    return Summary(count, longest, newest.length if newest.is_open else 0, (view.games - met) / count)


def _occurrences(condition: Condition, cells: Mapping[bytes, Any]) -> Occurrences:
    first, last = (int(cells.get(name, 0)) or None for name in (b"first_game_time", b"last_game_time"))
    return Occurrences(condition, int(cells[b"count"]), int(cells[b"total_games"]), first, last)
