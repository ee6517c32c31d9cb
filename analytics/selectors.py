"""The state of the live view, compared with the games table."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

from django.conf import settings

from analytics import sources
from analytics.database import game_reads
from analytics.live import pending, reader, repairs, series
from analytics.view_settings import conditions
from cachecore import schedule
from cachecore.clock import now_ms
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.schedule import LastRun
from games.times import from_unix_ms


def status(zone: tzinfo = UTC) -> dict[str, Any]:
    """Return the state of the view compared with the table's; unknown values are None. Raises django.db.Error."""
    state: dict[str, Any] = {
        "site": settings.SITE,
        "conditions": [str(condition) for condition in conditions()],
        "newest_game": game_reads.newest_id(),
    }
    try:
        return state | _view_status(zone)
    except RedisUnavailable:
        return state | {"view": "unavailable"} | dict.fromkeys(VIEW_FIELDS)


VIEW_FIELDS = (
    *("version", "epoch", "built_at", "applied_games", "applied_head", "lag_ms", "pending"),
    *("last_reconcile", "last_full_reconcile", "drift"),
)


def _view_status(zone: tzinfo) -> dict[str, Any]:
    view = reader.view_state()
    pending_games = pending.size()
    if view is None:
        return {"view": "absent"} | dict.fromkeys(VIEW_FIELDS) | {"pending": pending_games}
    lag_ms = max(_lag_ms(view.newest), view.lag_ms(now_ms()))
    return {
        "view": "behind" if lag_ms >= sources.GRACE_MS else "current",
        "version": view.version,
        "epoch": view.epoch,
        "built_at": from_unix_ms(view.built_ms).astimezone(zone),
        "applied_games": view.games,
        "applied_head": view.newest,
        "lag_ms": lag_ms,
        "pending": pending_games,
        "last_reconcile": _run(schedule.last_run("reconcile-newest"), zone),
        "last_full_reconcile": _run(schedule.last_run("reconcile-all"), zone),
        "drift": repairs.read_counts()._asdict(),
    }


def _run(run: LastRun | None, zone: tzinfo) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "started_at": from_unix_ms(run.started_ms).astimezone(zone),
        "finished_at": from_unix_ms(run.finished_ms).astimezone(zone),
        "outcome": run.outcome,
        "result": run.result,
    }


def _lag_ms(head: int | None) -> int:
    """Return how long ago the oldest game beyond the view's head was recorded; 0 if the view has the newest game."""
    since = game_reads.unapplied_since(head)
    return 0 if since is None else max(0, now_ms() - game_reads.to_ms(since))


JOBS = ("reconcile-newest", "reconcile-all", "check-drift", "rebuild", "clean-up")


def jobs(names: Sequence[str] = JOBS) -> dict[str, LastRun | None]:
    """Return the last run of each job; None for a job that never ran, and for all while Redis is unavailable."""
    try:
        return {name: schedule.last_run(name) for name in names}
    except RedisUnavailable:
        return dict.fromkeys(names)


def size() -> dict[str, int | None]:
    """Return the size of the view and what it holds; all None if there is no view or Redis is unavailable."""
    try:
        view, index = reader.view_state(), reader.index()
        memory = reader.memory_bytes(index, conditions())
        missing = len(series.missing(conditions()))
    except RedisUnavailable:
        view = None
    if view is None:
        return dict.fromkeys(("memory_bytes", "bytes_per_game", "floor", "ledger_first", "chunks", "series_missing"))
    return {
        "memory_bytes": memory,
        "bytes_per_game": memory // view.games if view.games else None,
        "floor": view.oldest_retained_id,
        "ledger_first": None if view.first is None else max(view.first, view.oldest_retained_id),
        "chunks": len(index),
        "series_missing": missing,
    }
