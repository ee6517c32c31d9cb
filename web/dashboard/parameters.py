"""The dashboard's parameters. The URL holds all of them: `/?min=10&hours=24&tz=Europe/London`."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from rest_framework import serializers

from analytics.conditions import KINDS, Condition
from analytics.query.conditions import ConditionQuery
from web.page_parameters import Parameters

DEFAULT_CONDITION = {"min": "10"}
DEFAULTS = {**DEFAULT_CONDITION, "hours": "24", "games": "10000", "sort": "time", "tz": "UTC"}
HOURS = (6, 12, 24, 72, 168)
WINDOWS = ("1000", "10000", "100000", "all")
SORTS = ("time", "length")
OTHERS = ("hours", "games", "sort", "tz")
FINE_HOURS = 24  # up to here the heat map's interval is ten minutes, above it is an hour


class DashboardQuery(ConditionQuery):
    """One condition (default: at least 10x), the heat map's hours, the games of distribution and audit, an order."""

    hours = serializers.ChoiceField(choices=HOURS, default=24)
    games = serializers.ChoiceField(choices=WINDOWS, default="10000")
    sort = serializers.ChoiceField(choices=SORTS, default="time")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if len(attrs["conditions"]) > 1:
            raise serializers.ValidationError({attrs["conditions"][0].kind: ["The page shows one condition only."]})
        return attrs

    @property
    def condition(self) -> Condition:
        return self.conditions[0]

    @property
    def heat_map_hours(self) -> int:
        return int(self.validated_data["hours"])

    @property
    def interval_minutes(self) -> int:
        """Minutes of one square of the heat map."""
        return 10 if self.heat_map_hours <= FINE_HOURS else 60

    @property
    def games_window(self) -> Parameters:
        """The window of distribution and audit, as a parameter of the API."""
        games = str(self.validated_data["games"])
        return {"all": "true"} if games == "all" else {"games": games}

    @property
    def order(self) -> str:
        return str(self.validated_data["sort"])

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from self.condition_parameters()
        yield "hours", self.heat_map_hours
        yield "games", self.validated_data["games"]
        yield "sort", self.order

    def link(self, **changed: str) -> str:
        """Return the page's query string with these parameters changed; defaults are left out."""
        condition = {self.condition.kind: self.condition.value}
        if changed.keys() & set(KINDS):
            condition = {}
        others = {name: str(self.initial_data[name]) for name in OTHERS if name in self.initial_data}
        return canonical_query_string(condition | others | changed)


def with_default_condition(given: Parameters) -> Parameters:
    return given if given.keys() & set(KINDS) else DEFAULT_CONDITION | given


def canonical_query_string(parameters: Parameters) -> str:
    """Return a query string in a fixed order without defaults; "" for the page without parameters."""
    order = [name for name in (*KINDS, *OTHERS) if name in parameters]
    changed = {name: parameters[name] for name in order if DEFAULTS.get(name) != parameters[name]}
    return "?" + urlencode(changed, safe=",/:") if changed else ""


def from_form(given: Parameters) -> Parameters:
    """Translate `kind=min&value=10`, as the form sends it without JavaScript, into `min=10`."""
    rest = {name: text for name, text in given.items() if name not in ("kind", "value")}
    kind, value = given.get("kind", "min"), given.get("value")
    return rest if value is None else {kind: value} | rest
