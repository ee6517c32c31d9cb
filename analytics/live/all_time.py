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
from analytics.live.keys import CHUNK_GAMES, LIVE, LONGEST_KEPT
from analytics.live.reader import HEAD_REPLIES, Head, ask_head, parse_head
from analytics.live.view_snapshot import Moment, Numbers, read_until
from cachecore.redis_client import connections

ASKED = 4  # replies per condition
COUNTED = {b"count", b"total_games"}


@dataclass(frozen=True, slots=True)
class AllSeries:
    """Series of all games: those asked for, in the order asked, and what is said of all of them."""

    condition: Condition
    series: list[Series]
    summary: Summary


def occurrences(conditions: Sequence[Condition]) -> tuple[Head, tuple[Coverage, list[Occurrences]]] | None:
    """None where one is not configured or there is no view. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        ask_head(pipeline)
        for condition in conditions:
            pipeline.hgetall(LIVE.occurrences(condition))
        replies = pipeline.execute()
    view, cells = parse_head(replies), replies[HEAD_REPLIES:]
    if view is None or view.below or not all(cell.keys() >= COUNTED for cell in cells):
        return None
    return view, (view.coverage, [_occurrences(c, cell) for c, cell in zip(conditions, cells, strict=True)])


def all_series(
    conditions: Sequence[Condition], sort: Literal["time", "length"], limit: int
) -> tuple[Head, tuple[list[AllSeries], Columns]] | None:
    """Also the ledger's games that the series name. None where they go beyond what is kept. Raises as above, Moving."""

    closed = limit if sort == "time" else 0

    def ask(pipeline: Pipeline) -> None:
        for condition in conditions:
            series.ask(pipeline, condition, closed=closed)
            pipeline.hget(LIVE.occurrences(condition), "count")

    def needed(moment: Moment) -> Numbers | None:
        found = _all_series(moment, conditions, sort, limit)
        if found is None:
            return None
        named = (game_id for one in found for row in one.series for game_id in row.ids)
        return {game_id // CHUNK_GAMES for game_id in named if game_id >= moment.head.floor}

    moment = read_until(("series", *conditions, sort, limit), needed, ask)
    if moment is None or (found := _all_series(moment, conditions, sort, limit)) is None:
        return None
    return moment.head, (found, moment.columns)


def _all_series(
    moment: Moment, conditions: Sequence[Condition], sort: Literal["time", "length"], limit: int
) -> list[AllSeries] | None:
    if moment.head.below:
        return None
    found = []
    for number, condition in enumerate(conditions):
        replies = moment.replies[number * ASKED : (number + 1) * ASKED]
        known, count = series.known(replies[:-1], closed=limit if sort == "time" else 0), replies[-1]
        if known is None or count is None or (sort == "length" and limit > LONGEST_KEPT < known.newest.before):
            return None
        rows = known.rows(sort)[:limit]
        found.append(AllSeries(condition, rows, _summary(known, moment.head, int(count))))
    return found


def _summary(known: series.Known, view: Head, met: int) -> Summary:
    newest = known.newest.series
    if not newest.length:
        return Summary(0, None, None if view.newest is None else 0, None)
    count = known.newest.before + 1
    longest = max(newest.length, *(one.length for one in known.longest)) if known.longest else newest.length
    return Summary(count, longest, newest.length if newest.is_open else 0, (view.games - met) / count)


def _occurrences(condition: Condition, cells: Mapping[bytes, Any]) -> Occurrences:
    first, last = (int(cells.get(name, 0)) or None for name in (b"first_game_time", b"last_game_time"))
    return Occurrences(condition, int(cells[b"count"]), int(cells[b"total_games"]), first, last)
