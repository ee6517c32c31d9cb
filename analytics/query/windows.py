"""Query parameters for a window of games: games=N, hours=H, since/until or all=true."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from analytics.columns import Window
from analytics.database.game_reads import to_ms
from games.query import InstantField, Query, WholeField

MAX_WINDOW_GAMES = 100_000
MAX_WINDOW_HOURS = 2_160
HOUR_MS = 60 * 60 * 1000

WINDOW_NAMES = ("games", "hours", "since", "until", "all")


@extend_schema_field({"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": MAX_WINDOW_HOURS})
class HoursField(serializers.DecimalField):
    """A number of hours; fractions are allowed down to a millisecond."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=12, decimal_places=6, **kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if "_" in str(data) or not str(data).isascii():  # Decimal also accepts 1_0 and digits of other scripts
            self.fail("invalid")
        hours = super().to_internal_value(data)
        if not 0 < hours <= MAX_WINDOW_HOURS:
            raise serializers.ValidationError(f"Must be above 0 and at most {MAX_WINDOW_HOURS}.")
        return hours


class WindowQuery(Query):
    """A query with at most one window; each endpoint has its default."""

    games = WholeField(required=False, min_value=1, max_value=MAX_WINDOW_GAMES, help_text="The last N games.")
    hours = HoursField(required=False, help_text="The last H hours, fractions allowed.")
    since = InstantField(required=False, help_text="Games ended at or after this time.")
    until = InstantField(required=False, help_text="Games ended before this time; default now.")
    all = serializers.ChoiceField(
        ["true"],
        required=False,
        help_text="Every game recorded.",
        error_messages={"invalid_choice": "The only valid value is true."},
    )

    default_window: tuple[str, Any] = ("games", 100)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        given = [name for name in WINDOW_NAMES if name in attrs]
        kinds = {"range" if name in ("since", "until") else name for name in given}
        if len(kinds) > 1:
            problem = "Give one window: games, hours, since/until or all."
            raise serializers.ValidationError({name: [problem] for name in given})
        if "until" in attrs and "since" not in attrs:
            raise serializers.ValidationError({"since": ["Required if until is given."]})
        if "until" in attrs and attrs["since"] >= attrs["until"]:
            raise serializers.ValidationError({"since": ["Must be earlier than until."]})
        if not given:
            attrs[self.default_window[0]] = self.default_window[1]
        return attrs

    def window(self, now_ms: int) -> Window:
        """Return the window; a window of time ends at `now_ms` at the latest. Raises ValidationError."""
        data = self.validated_data
        if "games" in data:
            return Window("games", data["games"], count=data["games"])
        if "hours" in data:
            length = int(data["hours"] * HOUR_MS)
            return Window("hours", float(data["hours"]), from_ms=now_ms - length, to_ms=now_ms)
        if "since" in data:
            requested = {name: data[name] for name in ("since", "until") if name in data}
            until = to_ms(data["until"]) if "until" in data else now_ms
            since = to_ms(data["since"])
            if since >= now_ms:
                raise serializers.ValidationError({"since": ["Must be in the past."]})
            return Window("range", requested, from_ms=since, to_ms=min(until, now_ms))
        return Window("all", True)

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield from self.window_parameters()

    def window_parameters(self) -> Iterator[tuple[str, object]]:
        for name in WINDOW_NAMES:
            if name in self.validated_data:
                yield name, _canonical(self.validated_data[name])


def _canonical(value: Any) -> object:
    if isinstance(value, datetime):
        return to_ms(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value
