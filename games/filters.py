"""The query of the games list: filters, order and page."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from rest_framework import serializers

from cachecore.responses.times import format_time
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
    """The query parameters of the games list."""

    page = WholeField(default=1, min_value=1)
    per_page = WholeField(default=10, min_value=1, max_value=100)
    min = CrashPointField(required=False, help_text="Crash point at least this.")
    max = CrashPointField(required=False, help_text="Crash point at most this.")
    floor = FloorField(required=False, help_text="Integer part of the crash point.")
    since = InstantField(required=False, help_text="Ended at or after this time.")
    until = InstantField(required=False, help_text="Ended before this time.")
    verified = serializers.BooleanField(required=False, help_text="True if the hash gives the crash point.")
    ordering = serializers.ChoiceField(choices=list(ORDERINGS), default="-game_id")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "min" in attrs and "max" in attrs and attrs["min"] > attrs["max"]:
            raise serializers.ValidationError({"min": ["min must not be greater than max."]})
        if "since" in attrs and "until" in attrs and attrs["since"] >= attrs["until"]:
            raise serializers.ValidationError({"since": ["since must be earlier than until."]})
        return attrs

    def filtered(self) -> QuerySet[Game]:
        """Return the games that the filters select, in the requested order."""
        values = self.validated_data
        games = Game.objects.order_by(*ORDERINGS[values["ordering"]])
        lookups = {
            "min": "crash_hundredths__gte",
            "max": "crash_hundredths__lte",
            "since": "end_time__gte",
            "until": "end_time__lt",
            "verified": "verified",
        }
        games = games.filter(**{lookup: values[name] for name, lookup in lookups.items() if name in values})
        if "floor" in values:
            games = games.filter(crash_hundredths__range=(values["floor"] * 100, values["floor"] * 100 + 99))
        return games

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        values = self.validated_data
        yield "page", values["page"]
        yield "per_page", values["per_page"]
        yield from self.filter_parameters()

    def link(self, page: int) -> str:
        """Return a relative link to another page of the same list.

        The link consists of the canonical parameters that are also the cache key. One cached response is therefore
        right for every host name and every spelling, whether the zone came in a parameter or in a header.
        """
        values = self.validated_data
        times = {name: format_time(values[name]) for name in ("since", "until") if name in values}
        return "?" + urlencode({**dict(self.parameters()), **times, "page": page})

    def filter_parameters(self) -> Iterator[tuple[str, object]]:
        """Yield the canonical name and value of every filter that is not its default."""
        values = self.validated_data
        for name in ("min", "max"):
            if name in values:
                yield name, format_hundredths(values[name])
        if "floor" in values:
            yield "floor", values["floor"]
        for name in ("since", "until"):
            if name in values:
                yield name, unix_ms(values[name])
        if "verified" in values:
            yield "verified", str(values["verified"]).lower()
        if values["ordering"] != "-game_id":
            yield "ordering", values["ordering"]


class ExportQuery(GamesQuery):
    """The filters and order of the list, without pages."""

    page = None  # type: ignore[assignment]
    per_page = None  # type: ignore[assignment]
    format = serializers.ChoiceField(choices=list(FORMATS), default="csv", help_text="CSV or JSON lines.")
