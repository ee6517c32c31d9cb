"""Shapes of the games API."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from games.crash_points import parse_hundredths
from games.models import MAX_GAME_ID, MIN_GAME_ID, Game
from games.query import CrashPointField, InstantField
from games.rounds import Round

MAX_INGESTED = 1_000


class GameSerializer(serializers.ModelSerializer[Game]):
    crash_point = CrashPointField(source="crash_hundredths")
    calculated_point = CrashPointField(source="calculated_hundredths", allow_null=True)

    class Meta:
        model = Game
        fields = [
            *("game_id", "hash", "crash_point", "crashed_floor", "calculated_point", "verified", "formula"),
            *("prepare_time", "begin_time", "end_time", "source"),
        ]


@extend_schema_serializer(many=False)  # a page is one object, though its view is a list
class GamePageSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    page = serializers.IntegerField()
    per_page = serializers.IntegerField()
    pages = serializers.IntegerField()
    next = serializers.CharField(allow_null=True, help_text="Relative link.")
    previous = serializers.CharField(allow_null=True, help_text="Relative link.")
    results = GameSerializer(many=True)


class IngestedCrashPointField(CrashPointField):
    """As a site reports it: a JSON number or text, without the bound of a query."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float | str):
            raise serializers.ValidationError("Expected a number with at most two decimals.")
        try:
            return parse_hundredths(str(data))  # str of a float is its shortest exact text: 2.34
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class RoundSerializer(serializers.Serializer[Round]):
    """One game as a client reports it. Unknown fields are refused: a typo must not lose a time."""

    game_id = serializers.IntegerField(min_value=MIN_GAME_ID, max_value=MAX_GAME_ID)
    crash_point = IngestedCrashPointField(source="crash_hundredths")
    hash = serializers.RegexField(r"^[0-9a-fA-F]{64}\Z", required=False, allow_null=True)
    prepare_time = InstantField(required=False, allow_null=True)
    begin_time = InstantField(required=False, allow_null=True)
    end_time = InstantField(required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (strangers := data.keys() - self.fields.keys()):
            raise serializers.ValidationError({name: ["Unknown field."] for name in sorted(strangers)})
        return super().to_internal_value(data)


class RecordedSerializer(serializers.Serializer[Any]):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class VerificationSerializer(serializers.Serializer[Any]):
    game_id = serializers.IntegerField()
    site = serializers.CharField()
    verified = serializers.BooleanField(allow_null=True)
    crash_point = serializers.FloatField()
    steps = serializers.DictField(allow_null=True, help_text="The formula's steps in numbers a person can redo.")
    link = serializers.DictField(allow_null=True, help_text="The next game's hash, hashed, beside this game's.")
    reason = serializers.CharField(allow_null=True, help_text="Why it cannot be verified.")
