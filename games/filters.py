"""The games list's query: filters, order, page."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from rest_framework import serializers

from games.crash_points import format_hundredths
from games.export import FORMATS
from games.models import Game
from games.query import CrashPointField, FloorField, InstantField, Query, WholeField
from games.times import unix_ms

ORDERINGS = {
    "-game_id": ["-game_id"],
    "game_id": ["game_id"],
    "crash_point": ["crash_hundredths", "game_id"],
    "-crash_point": ["-crash_hundredths", "-game_id"],
}


class GamesQuery(Query):
    page = WholeField(default=1, min_value=1)
    per_page = WholeField(default=10, min_value=1, max_value=100)
    min = CrashPointField(required=False, help_text="Crash point at least this.")
    max = CrashPointField(required=False, help_text="Crash point at most this.")
    floor = FloorField(required=False, help_text="Integer part of the crash point.")
    since = InstantField(required=False, help_text="Ended at or after this time.")
    until = InstantField(required=False, help_text="Ended before this time.")
    verified = serializers.BooleanField(required=False, help_text="Whether the hash gives the crash point.")
    ordering = serializers.ChoiceField(choices=list(ORDERINGS), default="-game_id")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "min" in attrs and "max" in attrs and attrs["min"] > attrs["max"]:
            raise serializers.ValidationError({"min": ["Is above max."]})
        if "since" in attrs and "until" in attrs and attrs["since"] >= attrs["until"]:
            raise serializers.ValidationError({"since": ["Is not before until."]})
        return attrs

    def filtered(self) -> QuerySet[Game]:
        asked = self.validated_data
        games = Game.objects.order_by(*ORDERINGS[asked["ordering"]])
        lookups = {
            "min": "crash_hundredths__gte",
            "max": "crash_hundredths__lte",
            "since": "end_time__gte",
            "until": "end_time__lt",
            "verified": "verified",
        }
        games = games.filter(**{lookup: asked[name] for name, lookup in lookups.items() if name in asked})
        if "floor" in asked:
            games = games.filter(crash_hundredths__range=(asked["floor"] * 100, asked["floor"] * 100 + 99))
        return games

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        asked = self.validated_data
        yield "page", asked["page"]
        yield "per_page", asked["per_page"]
        yield from self.filter_parameters()

    def link(self, page: int) -> str:
        """The same question about another page. Relative, and made of what the answer is kept by: one stored answer
        serves every host name and every spelling, whether its zone was in a parameter or a header."""
        asked = self.validated_data
        times = {name: asked[name].isoformat() for name in ("since", "until") if name in asked}
        return "?" + urlencode({**dict(self.parameters()), **times, "page": page})

    def filter_parameters(self) -> Iterator[tuple[str, object]]:
        """Every filter that is not its default, canonical."""
        asked = self.validated_data
        for name in ("min", "max"):
            if name in asked:
                yield name, format_hundredths(asked[name])
        if "floor" in asked:
            yield "floor", asked["floor"]
        for name in ("since", "until"):
            if name in asked:
                yield name, unix_ms(asked[name])
        if "verified" in asked:
            yield "verified", str(asked["verified"]).lower()
        if asked["ordering"] != "-game_id":
            yield "ordering", asked["ordering"]


class ExportQuery(GamesQuery):
    """The list's filters and order, without pages."""

    page = None  # type: ignore[assignment]
    per_page = None  # type: ignore[assignment]
    format = serializers.ChoiceField(choices=list(FORMATS), default="csv", help_text="CSV or JSON lines.")
