"""What the dashboard shows, all of it in the URL: `/?min=10&hours=24&tz=Europe/London`."""

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
FINE_HOURS = 24  # up to here the heat map is by ten minutes, above by the hour


class DashboardQuery(ConditionQuery):
    """One condition (default: at least 10x), the heat map's hours, the games of distribution and audit, an order."""

    hours = serializers.ChoiceField(choices=HOURS, default=24)
    games = serializers.ChoiceField(choices=WINDOWS, default="10000")
    sort = serializers.ChoiceField(choices=SORTS, default="time")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if len(attrs["conditions"]) > 1:
            raise serializers.ValidationError({attrs["conditions"][0].kind: ["The page shows one condition."]})
        return attrs

    @property
    def condition(self) -> Condition:
        return self.conditions[0]

    @property
    def hours_asked(self) -> int:
        return int(self.validated_data["hours"])

    @property
    def minutes(self) -> int:
        """The heat map's interval."""
        return 10 if self.hours_asked <= FINE_HOURS else 60

    @property
    def window(self) -> Parameters:
        """Of distribution and audit, as the API takes it."""
        asked = str(self.validated_data["games"])
        return {"all": "true"} if asked == "all" else {"games": asked}

    @property
    def order(self) -> str:
        return str(self.validated_data["sort"])

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from self.condition_parameters()
        yield "hours", self.hours_asked
        yield "games", self.validated_data["games"]
        yield "sort", self.order

    def link(self, **changed: str) -> str:
        """The page's query with these parameters; what is default is left out."""
        condition = {self.condition.kind: self.condition.value}
        if changed.keys() & set(KINDS):
            condition = {}
        told = condition | {name: str(self.initial_data[name]) for name in OTHERS if name in self.initial_data}
        return canonical(told | changed)


def with_default(given: Parameters) -> Parameters:
    return given if given.keys() & set(KINDS) else DEFAULT_CONDITION | given


def canonical(parameters: Parameters) -> str:
    """As a query string in a fixed order, `""` for the page as it is without parameters."""
    order = [name for name in (*KINDS, *OTHERS) if name in parameters]
    told = {name: parameters[name] for name in order if DEFAULTS.get(name) != parameters[name]}
    return "?" + urlencode(told, safe=",/:") if told else ""


def of_form(given: Parameters) -> Parameters:
    """`kind=min&value=10`, as the form without JavaScript sends it, is `min=10`."""
    rest = {name: text for name, text in given.items() if name not in ("kind", "value")}
    kind, value = given.get("kind", "min"), given.get("value")
    return rest if value is None else {kind: value} | rest
