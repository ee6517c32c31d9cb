"""What the dashboard's form and links offer, and which of it is chosen."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings

from analytics.conditions import KINDS, parse_names
from web.dashboard.parameters import DEFAULTS, HOURS, WINDOWS, DashboardQuery, with_default
from web.page_parameters import Parameters


class Choice(NamedTuple):
    value: str
    text: str
    chosen: bool


KIND_TEXTS = {"min": "at least", "max": "at most", "floor": "whole part"}
HOURS_TEXTS = {6: "6 hours", 12: "12 hours", 24: "24 hours", 72: "3 days", 168: "7 days"}


def of(query: DashboardQuery) -> dict[str, Any]:
    asked = query.validated_data
    condition = query.condition
    return _form(condition.kind, condition.value, query.zone.key, {**asked, "sort": query.order})


def of_refused(given: Parameters) -> dict[str, Any]:
    """What was given and cannot be shown, to be mended where it was typed."""
    given = with_default(given)
    kind = next(kind for kind in KINDS if kind in given)
    told = DEFAULTS | given
    return _form(kind, given[kind], told["tz"], told)


def _form(kind: str, value: str, zone: str, told: Mapping[str, object]) -> dict[str, Any]:
    hours, games = str(told["hours"]), str(told["games"])
    return {
        "kinds": [Choice(one, KIND_TEXTS[one], one == kind) for one in KINDS],
        "value": value,
        "values": [one.value for one in parse_names(settings.ANALYTICS_CONDITIONS) if one.kind == kind],
        "hours": [Choice(str(n), HOURS_TEXTS[n], str(n) == hours) for n in HOURS],
        "windows": [Choice(n, "all games" if n == "all" else f"{int(n):,} games", n == games) for n in WINDOWS],
        "zone": zone,
        "sort": told["sort"],
    }
