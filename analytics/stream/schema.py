"""Serializers of the stream's events, for the OpenAPI schema only. events.py encodes them; a test compares the two."""

from copy import deepcopy
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from cachecore.responses.times import TimeField

POSITION = r"^[0-9A-Za-z]{1,64}:[1-9][0-9]{0,15}$"
REASONS = ["rebuilt", "too_old", "unknown_id", "interrupted", "slow"]


class StreamGameSerializer(serializers.Serializer[Any]):
    game_id = serializers.IntegerField()
    crash_point = serializers.FloatField(allow_null=True, help_text="Null if the game was removed.")
    end_time = TimeField(allow_null=True)


class StreamChangedGameSerializer(StreamGameSerializer):
    change = serializers.ChoiceField(["new", "corrected", "removed"])


class StreamSnapshotSerializer(serializers.Serializer[Any]):
    epoch = serializers.CharField(help_text="Changes whenever the live view is rebuilt.")
    version = serializers.IntegerField()
    games = serializers.IntegerField(help_text="The number of games in the live view.")
    head = serializers.IntegerField(allow_null=True, help_text="The id of the newest game.")
    newest = StreamGameSerializer(many=True, help_text="The newest 20 games, newest first.")


class StreamAnalyticsSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(help_text="X-Data-Version of API responses from now on.")
    head = serializers.IntegerField(allow_null=True)
    games = serializers.IntegerField()
    new = serializers.IntegerField()
    corrected = serializers.IntegerField()
    removed = serializers.IntegerField()
    omitted = serializers.IntegerField(help_text="Changed games without a `game` event.")


class StreamResetSerializer(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(REASONS)


class StreamDegradedSerializer(serializers.Serializer[Any]):
    since = TimeField()


class StreamResumedSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()


def _event(name: str, data: serializers.Serializer[Any], *, has_id: bool = False) -> type[serializers.Serializer[Any]]:
    """Return the serializer of one event: its name, its data, its id."""
    fields: dict[str, Any] = {"event": serializers.ChoiceField([name]), "data": data}
    if has_id:
        fields["id"] = serializers.RegexField(POSITION)
    title = name.capitalize()
    # Every serializer has an attribute `data`, so a field of that name cannot be declared in the class.
    return type(
        f"Stream{title}EventSerializer",
        (serializers.Serializer,),
        {"get_fields": lambda self: deepcopy(fields), "__doc__": f"`{name}`"},
    )


EVENTS: dict[str, Any] = {
    "snapshot": _event("snapshot", StreamSnapshotSerializer(), has_id=True),
    "game": _event("game", StreamChangedGameSerializer()),
    "analytics": _event("analytics", StreamAnalyticsSerializer(), has_id=True),
    "reset": _event("reset", StreamResetSerializer()),
    "degraded": _event("degraded", StreamDegradedSerializer()),
    "resumed": _event("resumed", StreamResumedSerializer()),
}

StreamEventSerializer = PolymorphicProxySerializer(
    component_name="StreamEvent", serializers=EVENTS, resource_type_field_name="event", many=False
)
