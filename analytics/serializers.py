"""Shapes of the analytics API, for its schema. What is sent is made in answers/; a test holds the two equal."""

from typing import Any

from rest_framework import serializers

from games.serializers import GameSerializer


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


class CountsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    games = serializers.IntegerField()
    percentage = serializers.FloatField(allow_null=True)
    first_game_time = serializers.DateTimeField(allow_null=True, help_text="Of the first game that met it.")
    last_game_time = serializers.DateTimeField(allow_null=True, help_text="Of the last game that met it.")


class PreviousSerializer(CountsSerializer):
    complete = serializers.BooleanField()


class ChangeSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    percentage_points = serializers.FloatField(allow_null=True)


class OccurrencesSerializer(CountsSerializer):
    condition = serializers.CharField(help_text="For example min:10.")
    expected_percentage = serializers.FloatField(help_text="By the site's formula; independent of history.")
    previous = PreviousSerializer(required=False, allow_null=True, help_text="With compare=previous.")
    change = ChangeSerializer(required=False, allow_null=True, help_text="Null where the two cannot be compared.")
    reason = serializers.CharField(required=False, allow_null=True, help_text="Why there is no change.")


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


class GameSetSerializer(serializers.Serializer[Any]):
    first_game = serializers.IntegerField(help_text="The first recorded game of the set in the window.")
    last_game = serializers.IntegerField()
    start = serializers.DateTimeField(allow_null=True)
    end = serializers.DateTimeField(allow_null=True)
    count = serializers.IntegerField()
    games = serializers.IntegerField()
    missing = serializers.IntegerField(help_text="Ids without a record in the part of the set that the window spans.")
    percentage = serializers.FloatField(allow_null=True)
    complete = serializers.BooleanField(help_text="All games of the set are counted.")


class GameSetsSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField()
    size = serializers.IntegerField()
    sets = GameSetSerializer(many=True, help_text="Newest first; sets without a game are left out.")


class CloserSerializer(serializers.Serializer[Any]):
    game_id = serializers.IntegerField()
    crash_point = serializers.FloatField()


class OneSeriesSerializer(serializers.Serializer[Any]):
    start_game = serializers.IntegerField()
    end_game = serializers.IntegerField()
    start_time = serializers.DateTimeField(allow_null=True)
    end_time = serializers.DateTimeField(allow_null=True)
    length = serializers.IntegerField(help_text="Games, the whole series: also those outside the window.")
    closed_by = CloserSerializer(allow_null=True, help_text="The game that met the condition; null: still open.")
    follow_streak = serializers.IntegerField(help_text="Games in a row that met it, from the closing game on.")
    starts_before_window = serializers.BooleanField()


class SeriesSummarySerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    longest = serializers.IntegerField(allow_null=True)
    current = serializers.IntegerField(allow_null=True, help_text="Null where the window ends before the newest game.")
    mean = serializers.FloatField(allow_null=True)


class SeriesSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField()
    summary = SeriesSummarySerializer(help_text="Of all series of the window, also beyond `limit`.")
    series = OneSeriesSerializer(many=True)


class LastGamesSerializer(serializers.Serializer[Any]):
    condition = serializers.CharField()
    games_since = serializers.IntegerField(allow_null=True, help_text="Null where no game ever met it.")
    games = GameSerializer(many=True)
    expected_gap = serializers.FloatField(help_text="Games from one that meets it to the next, by the formula.")
    next_probability = serializers.FloatField(help_text="0..1, by the formula; independent of history.")


class BinSerializer(serializers.Serializer[Any]):
    to = serializers.FloatField(allow_null=True, help_text="The bin ends below this.")
    count = serializers.IntegerField()
    percentage = serializers.FloatField(allow_null=True)
    expected_count = serializers.FloatField()
    expected_percentage = serializers.FloatField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of Python."""
        return {"from": serializers.FloatField()} | super().get_fields()


class DistributionSerializer(serializers.Serializer[Any]):
    games = serializers.IntegerField()
    bins = BinSerializer(many=True)


class BlockSerializer(serializers.Serializer[Any]):
    first_game = serializers.IntegerField()
    last_game = serializers.IntegerField()
    start = serializers.DateTimeField(allow_null=True)
    end = serializers.DateTimeField(allow_null=True)
    games = serializers.IntegerField()
    mean = serializers.FloatField(help_text="Of ln(crash point).")
    deviation = serializers.FloatField(allow_null=True, help_text="Of the sample; null for a single game.")
    complete = serializers.BooleanField()


class VolatilitySerializer(serializers.Serializer[Any]):
    size = serializers.IntegerField()
    expected_mean = serializers.FloatField()
    expected_deviation = serializers.FloatField()
    blocks = BlockSerializer(many=True, help_text="Newest first; the oldest may hold fewer games.")


class ChainSerializer(serializers.Serializer[Any]):
    linked = serializers.IntegerField(help_text="Games whose hash leads to the previous game's.")
    broken = serializers.IntegerField()
    not_checkable = serializers.IntegerField(help_text="The previous game, a hash or the chain is not known.")
    broken_games = serializers.ListField(child=serializers.IntegerField(), help_text="The newest 100.")


class GapSerializer(serializers.Serializer[Any]):
    first_game = serializers.IntegerField()
    last_game = serializers.IntegerField()
    games = serializers.IntegerField()


class GapsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    missing_games = serializers.IntegerField()
    ranges = GapSerializer(many=True, help_text="The newest 100.")


class FitSerializer(serializers.Serializer[Any]):
    chi_square = serializers.FloatField(allow_null=True, help_text="Null with too few games.")
    degrees_of_freedom = serializers.IntegerField(allow_null=True)
    p_value = serializers.FloatField(allow_null=True, help_text="How often a fair site fits this badly or worse.")
    bins = BinSerializer(many=True)


class AuditSerializer(serializers.Serializer[Any]):
    verified = serializers.IntegerField()
    mismatched = serializers.IntegerField()
    unverifiable = serializers.IntegerField()
    mismatched_games = serializers.ListField(child=serializers.IntegerField(), help_text="The newest 100.")
    chain = ChainSerializer()
    gaps = GapsSerializer()
    fit = FitSerializer()


def answer_of(result: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """The whole answer: `meta` and one or more results."""
    name = result.__name__.removesuffix("Serializer") + "AnswerSerializer"
    return type(name, (serializers.Serializer,), {"meta": MetaSerializer(), "results": result(many=True)})


class LastRunSerializer(serializers.Serializer[Any]):
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(["done", "failed"])
    result = serializers.JSONField(allow_null=True)


class DriftSerializer(serializers.Serializer[Any]):
    found = serializers.IntegerField(help_text="Games and cells that differed from the table.")
    repaired = serializers.IntegerField()


class StatusSerializer(serializers.Serializer[Any]):
    site = serializers.CharField()
    conditions = serializers.ListField(child=serializers.CharField())
    newest_game = serializers.IntegerField(allow_null=True, help_text="In the table.")
    view = serializers.ChoiceField(["current", "behind", "absent", "unavailable"])
    version = serializers.IntegerField(allow_null=True)
    epoch = serializers.CharField(allow_null=True)
    built_at = serializers.DateTimeField(allow_null=True)
    applied_games = serializers.IntegerField(allow_null=True)
    applied_head = serializers.IntegerField(allow_null=True)
    lag_ms = serializers.IntegerField(allow_null=True, help_text="Wait of the oldest game beyond the view.")
    pending = serializers.IntegerField(allow_null=True)
    last_reconcile = LastRunSerializer(allow_null=True)
    last_full_reconcile = LastRunSerializer(allow_null=True)
    drift = DriftSerializer(allow_null=True, help_text="Since the counters began.")
