"""Verify a hash that a visitor types: the same steps as for a recorded game, but the game need not be recorded."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from games import fairness
from games.importing.lines import BadLine
from games.importing.values import parse_crash_hundredths, parse_game_id
from games.models import MAX_GAME_ID, MIN_GAME_ID
from games.query import Query


class ReportedGameIdField(serializers.IntegerField):
    """A game's id as sites display it and files contain it: `2699754`, `#2699754`, `Game #2699754`."""

    def to_internal_value(self, data: Any) -> int:
        try:
            return parse_game_id(str(data))
        except BadLine as error:
            raise _validation_error(error) from error


class ReportedCrashPointField(serializers.Field):  # type: ignore[type-arg]
    """A crash point as sites display it and files contain it: `2.34`, `2.34x`, `1,234.56x`; hundredths in Python."""

    def to_internal_value(self, data: Any) -> int:
        try:
            return parse_crash_hundredths(str(data))
        except BadLine as error:
            raise _validation_error(error) from error


def _validation_error(error: BadLine) -> serializers.ValidationError:
    """Return the error of a text in a file without the name of its field, which the response gives beside it."""
    _, _, reason = str(error).partition(": ")
    return serializers.ValidationError(reason[0].upper() + reason[1:])


class VerifyQuery(Query):
    """A game's id and hash, and optionally the crash point to compare with. Each is accepted as in an imported file."""

    site = serializers.ChoiceField(choices=list(fairness.SITES), default=lambda: settings.SITE)
    game_id = ReportedGameIdField(min_value=MIN_GAME_ID, max_value=MAX_GAME_ID)
    hash = serializers.CharField(max_length=200)
    crash_point = ReportedCrashPointField(required=False)

    def validate_hash(self, text: str) -> str:
        try:
            return fairness.normalise_hash(text)
        except fairness.MalformedHash as error:
            raise serializers.ValidationError(f"{str(error).capitalize()}.") from error


def verify_hash(query: VerifyQuery) -> dict[str, Any]:
    """Return the steps and the verdict.

    `verified` is None if the visitor gave no crash point, or if none can be computed for the game.
    """
    parameters = query.validated_data
    steps = fairness.explain(parameters["site"], parameters["game_id"], parameters["hash"])
    claimed, computed = parameters.get("crash_point"), steps.crash_hundredths
    comparable = claimed is not None and computed is not None
    return {"steps": steps, "claimed": claimed, "verified": claimed == computed if comparable else None}
