"""Query parameters for conditions on the crash point: min, max or floor."""

from collections.abc import Iterator
from typing import Any

from rest_framework import serializers

from analytics.conditions import KINDS, Condition, parse_list
from games.query import Query


class ConditionQuery(Query):
    """A query with exactly one of min, max and floor, with one value or several."""

    min = serializers.CharField(required=False, help_text="Crash point at least x; up to 50 values: 2,5,10.")
    max = serializers.CharField(required=False, help_text="Crash point at most x; up to 50 values.")
    floor = serializers.CharField(required=False, help_text="Integer part of the crash point; up to 50 values.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        kinds = [kind for kind in KINDS if kind in attrs]
        if len(kinds) != 1:
            problem = "Give exactly one of min, max and floor."
            raise serializers.ValidationError({kind: [problem] for kind in kinds or KINDS})
        [kind] = kinds
        try:
            attrs["conditions"] = parse_list(kind, attrs[kind])
        except ValueError as error:
            raise serializers.ValidationError({kind: [str(error)]}) from error
        return attrs

    @property
    def conditions(self) -> list[Condition]:
        conditions: list[Condition] = self.validated_data["conditions"]
        return conditions

    def condition_parameters(self) -> Iterator[tuple[str, object]]:
        yield self.conditions[0].kind, ",".join(condition.value for condition in self.conditions)

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from self.condition_parameters()
        yield from super().own_parameters()
