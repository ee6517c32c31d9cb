"""Droughts: series of games that do not meet a condition. They say nothing about the next game."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from analytics import sources
from analytics.columns import Columns, Coverage, Stretch, Window
from analytics.compute.series import Series, Summary, by_length, runs, summary, touching
from analytics.conditions import Condition
from analytics.endpoints.common import computed, time_text
from analytics.query import SeriesQuery
from analytics.sources import Source
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult
from games.crash_points import to_number

Found = tuple[Condition, Sequence[Series], Summary]
Named = dict[int, tuple[int, int]]  # crash points and end times of the games that series name


def answer(query: SeriesQuery) -> ComputedResult:
    now = now_ms()
    window = query.window(now)
    source, covered, found, games = _found(query, window)
    first = None if window.kind == "all" else covered.first_game
    results = [_result(one, games, first, query.zone) for one in found]
    return computed(results, source, window, covered, now, query.zone)


def _found(query: SeriesQuery, window: Window) -> tuple[Source, Coverage, list[Found], Columns]:
    sort, limit = query.validated_data["sort"], query.validated_data["limit"]
    if window.kind == "all" and (kept := sources.all_series(query.conditions, sort, limit)) is not None:
        source, covered, rows, games = kept
        return source, covered, [(one.condition, one.series, one.summary) for one in rows], games
    source, stretch = sources.stretch_of(window, query.conditions)
    found = [_of(stretch, condition, sort, limit) for condition in query.conditions]
    return source, stretch.window.coverage, found, stretch.around


def _of(stretch: Stretch, condition: Condition, sort: str, limit: int) -> Found:
    covered = stretch.window.coverage
    if covered.first_game is None or covered.last_game is None:
        return condition, [], Summary(0, None, None, None)
    found = runs(stretch.around, condition)
    indices = touching(found, covered.first_game, covered.last_game)
    chosen = by_length(found, indices) if sort == "length" else indices
    told = summary(found, indices, reaches_newest=stretch.reaches_newest)
    return condition, found.take(chosen[:limit]), told


def _result(found: Found, games: Columns, first_game: int | None, zone: ZoneInfo) -> dict[str, Any]:
    condition, series, told = found
    named = games.at([game_id for one in series for game_id in one.ids])
    return {
        "condition": str(condition),
        "summary": {
            "count": told.count,
            "longest": told.longest,
            "current": told.current,
            "mean": None if told.mean is None else round(told.mean, 4),
        },
        "series": [_series(one, named, first_game, zone) for one in series],
    }


def _series(found: Series, named: Named, first_game: int | None, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "start_game": found.start,
        "end_game": found.end,
        "start_time": time_text(named[found.start][1], zone),
        "end_time": time_text(named[found.end][1], zone),
        "length": found.length,
        "closed_by": None
        if found.is_open
        else {"game_id": found.closer, "crash_point": to_number(named[found.closer][0])},
        "follow_streak": found.streak,
        "starts_before_window": first_game is not None and found.start < first_game,
    }
