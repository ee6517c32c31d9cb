"""Fields that several shapes of the API share."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from games.play.clock import iso_ms

MAX_BIGINT = 2**63 - 1


@extend_schema_field({"type": "string", "example": "12.50", "description": "Money, as text."})
class MoneyField(serializers.CharField):
    """An amount as text. A JSON number is refused: it may have been a binary fraction on its way."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Expected an amount as text, such as 10 or 2.50.")
        return data


@extend_schema_field({"type": "string", "example": "1.10", "description": "A coefficient with two decimals, as text."})
class CoefficientField(serializers.CharField):
    """A coefficient as text."""


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer. Text, booleans and fractions are refused."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class TimeField(serializers.DateTimeField):
    """A time with milliseconds in the zone of the request."""

    def to_representation(self, value: datetime) -> str:
        return iso_ms(value)


class StrictSerializer(serializers.Serializer[Any]):
    """A body. Unknown fields are refused by name: the first ten."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(map(str, data.keys() - self.fields.keys()))):
            raise serializers.ValidationError({name: ["Unknown field."] for name in unknown[:10]})
        return super().to_internal_value(data)
