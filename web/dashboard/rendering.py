"""Render all panels as HTML, once per version: what the page holds at first, and fetches when a game ends."""

import logging
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone

from analytics import selectors
from analytics.endpoints.common import BUCKET_MS, FALLBACK_FRESH_MS
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult
from cachecore.responses.times import format_time
from cachecore.stats import stats
from games.times import from_unix_ms
from web.dashboard.panels import PANELS, Build, Panel
from web.dashboard.parameters import DashboardQuery
from web.database_unavailable import DATABASE_UNAVAILABLE_ERRORS, at_most_one_timeout

logger = logging.getLogger(__name__)

NOT_CACHED_MS = 0
TITLES = {  # the headings of panels that cannot be built
    "strip": "Last games",
    "conditions": "How often",
    "heat": "Heat map",
    "distribution": "Distribution vs. formula",
    "fairness": "Fairness",
    "series": "Droughts",
}


def render_panels(query: DashboardQuery) -> ComputedResult:
    """Return the panels' HTML by name. A panel that cannot be built says why; `answered` counts those that were."""
    now = now_ms()
    with at_most_one_timeout():
        panels = {name: _build_or_none(build, query) for name, build in PANELS.items()}
        status = _status()
    with timezone.override(query.zone):
        html = {name: _html(name, panel, query) for name, panel in panels.items()}
        html["status"] = _render("dashboard/status.html", {"status": status, **_sources(panels)})
    payload = {
        "version": status.get("version"),
        "generated_at": format_time(from_unix_ms(now)),
        "answered": sum(panel is not None for panel in panels.values()),
        "panels": html,
    }
    return ComputedResult(payload, _fresh_ms(panels, now))


def _build_or_none(build: Build, query: DashboardQuery) -> Panel | None:
    try:
        return build(query)
    except DATABASE_UNAVAILABLE_ERRORS as error:
        logger.warning("a panel cannot be built: %s", type(error).__name__)
        return None


def _html(name: str, panel: Panel | None, query: DashboardQuery) -> str:
    context: dict[str, Any] = {"name": name, "query": query, "zone": query.zone.key}
    if panel is None:
        return _render("dashboard/no_answer.html", {**context, "title": TITLES[name]})
    return _render(f"dashboard/{name}.html", {**context, **panel.context, "panel": panel})


def _render(template: str, context: dict[str, Any]) -> str:
    return render_to_string(template, context).strip()  # strip also makes a plain str of Django's SafeString


def _status() -> dict[str, Any]:
    """Return the live view's status. `hit_rate` is that of all processes, in percent; None if nothing was counted."""
    try:
        status = selectors.status()
    except DATABASE_UNAVAILABLE_ERRORS:
        status = {"database": "unavailable"}
    snapshot = stats.snapshot()
    rate = snapshot.total.hit_rate if snapshot.complete else None
    return status | {"hit_rate": None if rate is None else 100 * rate}


def _sources(panels: dict[str, Panel | None]) -> dict[str, bool]:
    built = [panel for panel in panels.values() if panel is not None]
    return {
        "live": bool(built) and all(panel.is_live for panel in built),
        "partial": len(built) < len(panels),
    }


def _fresh_ms(panels: dict[str, Panel | None], now: int) -> int:
    """Return how long the panels stay fresh.

    Until the next ten minutes begin; briefly if the database supplied a panel; not at all if one is missing.
    """
    if any(panel is None for panel in panels.values()):
        return NOT_CACHED_MS
    if not all(panel.is_live for panel in panels.values() if panel is not None):
        return FALLBACK_FRESH_MS
    return BUCKET_MS - now % BUCKET_MS
