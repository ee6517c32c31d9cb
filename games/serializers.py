"""Serializers of the games API."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from cachecore.responses.times import TimeField
from games.crash_points import parse_hundredths
from games.models import MAX_GAME_ID, MIN_GAME_ID, Game
from games.query import CrashPointField, InstantField
from games.rounds import Round

MAX_INGESTED = 1_000


class GameSerializer(serializers.ModelSerializer[Game]):
    crash_point = CrashPointField(source="crash_hundredths")
    calculated_point = CrashPointField(source="calculated_hundredths", allow_null=True)
    prepare_time = TimeField(allow_null=True)
    begin_time = TimeField(allow_null=True)
    end_time = TimeField(allow_null=True)

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
    next = serializers.CharField(allow_null=True, help_text="Relative link to the next page.")
    previous = serializers.CharField(allow_null=True, help_text="Relative link to the previous page.")
    results = GameSerializer(many=True)


class IngestedCrashPointField(CrashPointField):
    """A crash point as a site reports it: a JSON number or text, without the upper limit of a query."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float | str):
            raise serializers.ValidationError("Expected a number with at most two decimals.")
        try:
            return parse_hundredths(str(data))  # str() of a float is the shortest text that identifies it: 2.34
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class RoundSerializer(serializers.Serializer[Round]):
    """One game as a client reports it. Unknown fields are rejected, so that a typo does not lose a time."""

    game_id = serializers.IntegerField(min_value=MIN_GAME_ID, max_value=MAX_GAME_ID)
    crash_point = IngestedCrashPointField(source="crash_hundredths")
    hash = serializers.RegexField(r"^[0-9a-fA-F]{64}\Z", required=False, allow_null=True)
    prepare_time = InstantField(required=False, allow_null=True)
    begin_time = InstantField(required=False, allow_null=True)
    end_time = InstantField(required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError({name: ["Unknown field."] for name in sorted(unknown)})
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
    steps = serializers.DictField(allow_null=True, help_text="Every intermediate value, to recompute by hand.")
    link = serializers.DictField(allow_null=True, help_text="The next game's hash, hashed once, and this game's hash.")
    reason = serializers.CharField(allow_null=True, help_text="Why the game cannot be verified.")
