"""What the dashboard's form and links offer, and which of it is chosen."""

from typing import Any, NamedTuple

from django.conf import settings

from analytics.conditions import KINDS, Condition, parse_names
from analytics.dashboard.parameters import HOURS, WINDOWS, DashboardQuery
from games.query import zone_names


class Choice(NamedTuple):
    value: str
    text: str
    chosen: bool


KIND_TEXTS = {"min": "at least", "max": "at most", "floor": "whole part"}
HOURS_TEXTS = {6: "6 hours", 12: "12 hours", 24: "24 hours", 72: "3 days", 168: "7 days"}


def of(query: DashboardQuery) -> dict[str, Any]:
    condition = query.condition
    games = str(query.validated_data["games"])
    return {
        "kinds": [Choice(kind, KIND_TEXTS[kind], kind == condition.kind) for kind in KINDS],
        "values": [one.value for one in _configured(condition)],
        "hours": [Choice(str(n), HOURS_TEXTS[n], n == query.hours_asked) for n in HOURS],
        "windows": [Choice(n, "all games" if n == "all" else f"{int(n):,} games", n == games) for n in WINDOWS],
        "zones": sorted(zone_names()),
    }


def _configured(condition: Condition) -> list[Condition]:
    return [one for one in parse_names(settings.ANALYTICS_CONDITIONS) if one.kind == condition.kind]
