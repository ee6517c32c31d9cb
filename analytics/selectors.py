"""The state of the live view, beside the table's."""

from typing import Any

from django.conf import settings

from analytics import sources, table
from analytics.live import pending, reader, repairs
from analytics.services import conditions
from cachecore import schedule
from cachecore.clock import now_ms
from cachecore.connections import RoleUnavailable


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
    *("last_reconcile", "last_full_reconcile", "drift"),
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
        "drift": repairs.counted()._asdict(),
    }


def _lag_ms(head: int | None) -> int:
    """For how long the oldest game beyond the view's head has waited; 0 when the view holds the newest."""
    since = table.unapplied_since(head)
    return 0 if since is None else max(0, now_ms() - table.to_ms(since))
