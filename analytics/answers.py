"""Answers as the API gives them: plain data from the computed dataclasses. No Redis, no database."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from analytics.columns import UNKNOWN_TIME, Coverage, Slice, Window
from analytics.compute.intervals import Grid, Intervals
from analytics.compute.occurrences import Occurrences
from analytics.conditions import Condition
from analytics.sources import Source
from games.fairness.law import Law
from games.times import from_unix_ms


def time_text(ms: int | None, zone: ZoneInfo) -> datetime | None:
    """An instant in the caller's zone; None for an unknown one."""
    return None if ms is None or ms == UNKNOWN_TIME else from_unix_ms(ms).astimezone(zone)


def percentage(count: int, games: int) -> float | None:
    """0..100; null where there is nothing to divide by."""
    return round(100 * count / games, 4) if games else None


def expected_percentage(condition: Condition, law: Law) -> float:
    return round(float(100 * condition.probability(law)), 4)


def meta(source: Source, window: Window, covered: Coverage, now_ms: int, zone: ZoneInfo) -> dict[str, Any]:
    """What every answer says of itself."""
    return {
        "version": source.version,
        "epoch": source.epoch,
        "generated_at": time_text(now_ms, zone),
        "source": source.name,
        "timezone": zone.key,
        "window": window_meta(window, covered, zone),
    }


def window_meta(window: Window, covered: Coverage, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "kind": window.kind,
        "requested": _requested(window, zone),
        "from": time_text(window.from_ms if window.of_time else covered.first_ms, zone),
        "to": time_text(window.to_ms if window.of_time else covered.last_ms, zone),
        "first_game": covered.first_game,
        "last_game": covered.last_game,
        "games": covered.games,
        "missing_games": covered.missing_games,
        "complete": covered.complete,
    }


def occurrences_result(found: Occurrences, law: Law, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "condition": str(found.condition),
        "count": found.count,
        "games": found.games,
        "percentage": percentage(found.count, found.games),
        "expected_percentage": expected_percentage(found.condition, law),
        "first_game_time": time_text(found.first_game_ms, zone),
        "last_game_time": time_text(found.last_game_ms, zone),
    }


def intervals_result(found: Intervals, grid: Grid, window: Window, covered: Slice, zone: ZoneInfo) -> dict[str, Any]:
    """An interval is complete when the window holds all of it and the data reach back to its start."""
    since_ms = _data_since_ms(covered, window)
    starts, counts, games = grid.starts_ms.tolist(), found.counts.tolist(), found.games.tolist()
    rows = [
        {
            "start": time_text(start, zone),
            "end": time_text(start + grid.width_ms, zone),
            "count": count,
            "games": played,
            "percentage": percentage(count, played),
            "complete": since_ms is not None
            and start >= max(since_ms, window.from_ms)
            and start + grid.width_ms <= window.to_ms,
        }
        for start, count, played in zip(starts, counts, games, strict=True)
    ]
    return {
        "condition": str(found.condition),
        "interval_minutes": grid.width_ms // 60_000,
        "intervals": rows,
    }


def _data_since_ms(covered: Slice, window: Window) -> int | None:
    """From when on the data are known to be whole; None when there are none."""
    if covered.reaches_back:
        return window.from_ms
    return int(covered.columns.end_ms.min()) if len(covered.columns) else None


def _requested(window: Window, zone: ZoneInfo) -> Any:
    if isinstance(window.requested, dict):
        return {name: time.astimezone(zone) for name, time in window.requested.items()}
    return window.requested
