"""What the API asks: a query in, an answer computed from the live view or the table out."""

from typing import Any

from django.conf import settings

from analytics import answers, sources, table
from analytics.columns import Coverage, Window
from analytics.compute.intervals import grid_covering, intervals
from analytics.compute.occurrences import Occurrences, occurrences
from analytics.live import pending, reader
from analytics.live.keys import BUCKET_SECONDS
from analytics.query import IntervalsQuery, OccurrencesQuery
from analytics.services import conditions
from analytics.sources import Source
from cachecore import schedule
from cachecore.clock import now_ms
from cachecore.connections import RoleUnavailable
from cachecore.responses import Computed
from games.fairness.law import law_for

# An answer from the table because the view is behind: soon the view will do better.
UNSETTLED_MS = 1_000
BUCKET_MS = BUCKET_SECONDS * 1000
ALL_GAMES = Window("all", True)


def occurrences_answer(query: OccurrencesQuery) -> Computed:
    """How often each condition was met in the window. Raises django.db.Error."""
    now = now_ms()
    window = query.window(now)
    source, covered, results = _all_time(query) if window.kind == "all" else _in_window(query, window)
    law, zone = law_for(settings.SITE), query.zone
    payload = {
        "meta": answers.meta(source, window, covered, now, zone),
        "results": [answers.occurrences_result(result, law, zone) for result in results],
    }
    return Computed(payload, _fresh_ms(source, now, BUCKET_MS if window.of_time else None))


def _all_time(query: OccurrencesQuery) -> tuple[Source, Coverage, list[Occurrences]]:
    """In O(1) where the view counts these conditions, else from every game."""
    found = sources.all_time(query.conditions)
    return found if found is not None else _in_window(query, ALL_GAMES)


def _in_window(query: OccurrencesQuery, window: Window) -> tuple[Source, Coverage, list[Occurrences]]:
    source, covered = sources.slice_of(window)
    return source, covered.coverage, occurrences(covered.columns, query.conditions)


def intervals_answer(query: IntervalsQuery) -> Computed:
    """How often each condition was met in each interval of the window. Raises django.db.Error, ValidationError."""
    now = now_ms()
    window = query.window(now)
    source, covered = sources.slice_of(window)
    grid = grid_covering(window.from_ms, window.to_ms, query.width_ms)
    found = intervals(covered.columns, query.conditions, grid)
    payload = {
        "meta": answers.meta(source, window, covered.coverage, now, query.zone),
        "results": [answers.intervals_result(result, grid, window, covered, query.zone) for result in found],
    }
    return Computed(payload, _fresh_ms(source, now, query.width_ms))


def status() -> dict[str, Any]:
    """The state of the view beside the table's. Says what it cannot know as null. Raises django.db.Error."""
    answer: dict[str, Any] = {
        "site": settings.SITE,
        "conditions": [str(condition) for condition in conditions()],
        "newest_game": table.newest_id(),
    }
    try:
        return answer | _view_status()
    except RoleUnavailable:
        return answer | {"view": "unavailable"} | dict.fromkeys(VIEW_FIELDS)


VIEW_FIELDS = (
    *("version", "epoch", "built_at_ms", "applied_games", "applied_head", "lag_ms", "pending"),
    *("last_reconcile", "last_full_reconcile"),
)


def _view_status() -> dict[str, Any]:
    view = reader.head()
    waiting = pending.size()
    if view is None:
        return {"view": "absent"} | dict.fromkeys(VIEW_FIELDS) | {"pending": waiting}
    lag_ms = _lag_ms(view.newest)
    return {
        "view": "behind" if lag_ms >= sources.GRACE_MS else "current",
        "version": view.version,
        "epoch": view.epoch,
        "built_at_ms": view.built_ms,
        "applied_games": view.games,
        "applied_head": view.newest,
        "lag_ms": lag_ms,
        "pending": waiting,
        "last_reconcile": schedule.last_run("reconcile-newest"),
        "last_full_reconcile": schedule.last_run("reconcile-all"),
    }


def _lag_ms(head: int | None) -> int:
    """For how long the oldest game beyond the view's head has waited; 0 when the view holds the newest."""
    since = table.unapplied_since(head)
    return 0 if since is None else max(0, now_ms() - table.to_ms(since))


def _fresh_ms(source: Source, now: int, boundary_ms: int | None) -> int | None:
    """How long the answer holds: until the next boundary of a window of time; briefly when it was a makeshift."""
    if not source.settled:
        return UNSETTLED_MS
    return None if boundary_ms is None else boundary_ms - now % boundary_ms
