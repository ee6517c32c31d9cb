"""What the dashboard's form and links offer, and which of it is chosen."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings

from analytics.conditions import KINDS, parse_names
from web.dashboard.parameters import DEFAULTS, HOURS, WINDOWS, DashboardQuery, with_default_condition
from web.page_parameters import Parameters


class Choice(NamedTuple):
    value: str
    text: str
    chosen: bool


KIND_TEXTS = {"min": "at least", "max": "at most", "floor": "whole part"}
HOURS_TEXTS = {6: "6 hours", 12: "12 hours", 24: "24 hours", 72: "3 days", 168: "7 days"}


def form_context(query: DashboardQuery) -> dict[str, Any]:
    """Return the template context of the form for a valid query."""
    condition = query.condition
    values = {**query.validated_data, "sort": query.order}
    return _form_context(condition.kind, condition.value, query.zone.key, values)


def form_context_of_invalid(given: Parameters) -> dict[str, Any]:
    """Return the template context of the form for an invalid query: as it was filled, to be corrected."""
    given = with_default_condition(given)
    kind = next(kind for kind in KINDS if kind in given)
    values = DEFAULTS | given
    return _form_context(kind, given[kind], values["tz"], values)


def _form_context(kind: str, value: str, zone: str, values: Mapping[str, object]) -> dict[str, Any]:
    hours, games = str(values["hours"]), str(values["games"])
    return {
        "kinds": [Choice(one, KIND_TEXTS[one], one == kind) for one in KINDS],
        "value": value,
        "values": [one.value for one in parse_names(settings.ANALYTICS_CONDITIONS) if one.kind == kind],
        "hours": [Choice(str(n), HOURS_TEXTS[n], str(n) == hours) for n in HOURS],
        "windows": [Choice(n, "all games" if n == "all" else f"{int(n):,} games", n == games) for n in WINDOWS],
        "zone": zone,
        "sort": values["sort"],
    }
