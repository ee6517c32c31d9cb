"""Verify a hash that a visitor types: the same steps as for a recorded game, but the game need not be recorded."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from games import fairness
from games.models import MAX_GAME_ID, MIN_GAME_ID
from games.query import CrashPointField, Query


class VerifyQuery(Query):
    """A game's id and hash, and optionally the crash point to compare with."""

    site = serializers.ChoiceField(choices=list(fairness.SITES), default=lambda: settings.SITE)
    game_id = serializers.IntegerField(min_value=MIN_GAME_ID, max_value=MAX_GAME_ID)
    hash = serializers.CharField(max_length=200)
    crash_point = CrashPointField(required=False)

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
