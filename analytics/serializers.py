"""Shapes of the analytics API, for its schema. What is sent is made in answers.py; a test holds the two equal."""

from typing import Any

from rest_framework import serializers


class WindowSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["games", "hours", "range", "all"])
    requested = serializers.JSONField(help_text="As asked: N, H, {since, until} or true.")
    first_game = serializers.IntegerField(allow_null=True)
    last_game = serializers.IntegerField(allow_null=True)
    games = serializers.IntegerField()
    missing_games = serializers.IntegerField(allow_null=True, help_text="Ids without a record, first to last.")
    complete = serializers.BooleanField(help_text="False when the data do not reach back as far as asked.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of Python."""
        time = serializers.DateTimeField
        return super().get_fields() | {"from": time(allow_null=True), "to": time(allow_null=True)}


class MetaSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(allow_null=True)
    epoch = serializers.CharField(allow_null=True)
    generated_at = serializers.DateTimeField()
    timezone = serializers.CharField()
    window = WindowSerializer()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`source` is an attribute of every field."""
        return super().get_fields() | {"source": serializers.ChoiceField(["live", "database"])}


class OccurrencesSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField(help_text="For example min:10.")
    count = serializers.IntegerField()
    games = serializers.IntegerField()
    percentage = serializers.FloatField(allow_null=True)
    expected_percentage = serializers.FloatField(help_text="By the site's formula; independent of history.")
    first_game_time = serializers.DateTimeField(allow_null=True, help_text="Of the first game that met it.")
    last_game_time = serializers.DateTimeField(allow_null=True, help_text="Of the last game that met it.")


class OccurrencesAnswerSerializer(serializers.Serializer[Any]):
    meta = MetaSerializer()
    results = OccurrencesSerializer(many=True)


class IntervalSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    count = serializers.IntegerField()
    games = serializers.IntegerField()
    percentage = serializers.FloatField(allow_null=True)
    complete = serializers.BooleanField(help_text="False for the open interval and for those before the data.")


class IntervalsSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField()
    interval_minutes = serializers.IntegerField()
    intervals = IntervalSerializer(many=True)


class IntervalsAnswerSerializer(serializers.Serializer[Any]):
    meta = MetaSerializer()
    results = IntervalsSerializer(many=True)


class LastRunSerializer(serializers.Serializer[Any]):
    started_ms = serializers.IntegerField()
    finished_ms = serializers.IntegerField()
    outcome = serializers.ChoiceField(["done", "failed"])
    result = serializers.JSONField(allow_null=True)


class StatusSerializer(serializers.Serializer[Any]):
    site = serializers.CharField()
    conditions = serializers.ListField(child=serializers.CharField())
    newest_game = serializers.IntegerField(allow_null=True, help_text="In the table.")
    view = serializers.ChoiceField(["current", "behind", "absent", "unavailable"])
    version = serializers.IntegerField(allow_null=True)
    epoch = serializers.CharField(allow_null=True)
    built_at_ms = serializers.IntegerField(allow_null=True)
    applied_games = serializers.IntegerField(allow_null=True)
    applied_head = serializers.IntegerField(allow_null=True)
    lag_ms = serializers.IntegerField(allow_null=True, help_text="Wait of the oldest game beyond the view.")
    pending = serializers.IntegerField(allow_null=True)
    last_reconcile = LastRunSerializer(allow_null=True)
    last_full_reconcile = LastRunSerializer(allow_null=True)
