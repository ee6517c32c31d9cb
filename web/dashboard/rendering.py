"""All panels as HTML, once per version: what the page holds at first, and what it fetches when a game ends."""

import logging
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone

from analytics import selectors
from analytics.endpoints.common import BUCKET_MS, FALLBACK_FRESH_MS
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult
from cachecore.stats import stats
from games.times import from_unix_ms
from web.dashboard.panels import PANELS, Build, Panel
from web.dashboard.parameters import DashboardQuery
from web.database_unavailable import DATABASE_AWAY, one_timeout

logger = logging.getLogger(__name__)

NOT_KEPT = 0
TITLES = {  # of panels that cannot say what they would show
    "strip": "Last games",
    "conditions": "How often",
    "heat": "Heat map",
    "distribution": "Distribution beside the law",
    "fairness": "Fairness",
    "series": "Droughts",
}


def rendered(query: DashboardQuery) -> ComputedResult:
    """A panel that can be answered by nobody says so; when that is all of them, `answered` is 0."""
    now = now_ms()
    with one_timeout():
        panels = {name: _built(build, query) for name, build in PANELS.items()}
        status = _status()
    with timezone.override(query.zone):
        html = {name: _html(name, panel, query) for name, panel in panels.items()}
        html["status"] = _text("dashboard/status.html", {"status": status, **_sources(panels)})
    payload = {
        "version": status.get("version"),
        "generated_at": from_unix_ms(now),
        "answered": sum(panel is not None for panel in panels.values()),
        "panels": html,
    }
    return ComputedResult(payload, _fresh_ms(panels, now))


def _built(build: Build, query: DashboardQuery) -> Panel | None:
    try:
        return build(query)
    except DATABASE_AWAY as error:
        logger.warning("a panel has no answer: %s", type(error).__name__)
        return None


def _html(name: str, panel: Panel | None, query: DashboardQuery) -> str:
    context: dict[str, Any] = {"name": name, "query": query, "zone": query.zone.key}
    if panel is None:
        return _text("dashboard/no_answer.html", {**context, "title": TITLES[name]})
    return _text(f"dashboard/{name}.html", {**context, **panel.context, "panel": panel})


def _text(template: str, context: dict[str, Any]) -> str:
    return render_to_string(template, context).strip()  # strip also makes a plain str of Django's SafeString


def _status() -> dict[str, Any]:
    """`hit_rate` is of all processes, in percent; None where nothing was counted."""
    try:
        status = selectors.status()
    except DATABASE_AWAY:
        status = {"database": "away"}
    counted = stats.snapshot()
    rate = counted.total.hit_rate if counted.complete else None
    return status | {"hit_rate": None if rate is None else 100 * rate}


def _sources(panels: dict[str, Panel | None]) -> dict[str, bool]:
    built = [panel for panel in panels.values() if panel is not None]
    return {
        "live": bool(built) and all(panel.settled for panel in built),
        "partial": len(built) < len(panels),
    }


def _fresh_ms(panels: dict[str, Panel | None], now: int) -> int:
    """Until the next ten minutes; briefly where the table stood in, not at all where something is missing."""
    if any(panel is None for panel in panels.values()):
        return NOT_KEPT
    if not all(panel.settled for panel in panels.values() if panel is not None):
        return FALLBACK_FRESH_MS
    return BUCKET_MS - now % BUCKET_MS
