"""Verifying a hash that somebody types: the same steps as for a recorded game, but nothing need be recorded."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from games import fairness
from games.models import MAX_GAME_ID, MIN_GAME_ID
from games.query import CrashPointField, Query


class VerifyQuery(Query):
    """A game's id and hash; with a crash point also whether they agree."""

    site = serializers.ChoiceField(choices=list(fairness.SITES), default=lambda: settings.SITE)
    game_id = serializers.IntegerField(min_value=MIN_GAME_ID, max_value=MAX_GAME_ID)
    hash = serializers.CharField(max_length=200)
    crash_point = CrashPointField(required=False)

    def validate_hash(self, text: str) -> str:
        try:
            return fairness.normalise_hash(text)
        except fairness.MalformedHash as error:
            raise serializers.ValidationError(f"{str(error).capitalize()}.") from error


def verified(query: VerifyQuery) -> dict[str, Any]:
    """The steps and the verdict: `verified` is None without a crash point to compare or a formula to compute one."""
    asked = query.validated_data
    steps = fairness.explain(asked["site"], asked["game_id"], asked["hash"])
    claimed, computed = asked.get("crash_point"), steps.crash_hundredths
    known = claimed is not None and computed is not None
    return {"steps": steps, "claimed": claimed, "verified": claimed == computed if known else None}
