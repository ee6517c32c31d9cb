"""One query per endpoint: what it takes beside conditions and a window, and its bounds."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from analytics.columns import Window
from analytics.compute.distribution import DEFAULT_EDGES
from analytics.compute.intervals import grid_covering
from analytics.query.conditions import ConditionQuery
from analytics.query.windows import HOUR_MS, WindowQuery
from games.crash_points import format_hundredths, parse_hundredths
from games.query import MAX_ASKED_HUNDREDTHS, WholeField

MAX_ROWS = 10_000
MAX_EDGES = 200
MINUTE_MS = 60 * 1000
DAY_MINUTES = 24 * 60


class OccurrencesQuery(ConditionQuery, WindowQuery):
    """Default: the last 100 games."""

    compare = serializers.ChoiceField(
        ["previous"], required=False, help_text="previous: the same beside the window before, of the same size."
    )

    @property
    def compares(self) -> bool:
        return "compare" in self.validated_data

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        if self.compares:
            yield "compare", "previous"


class IntervalsQuery(ConditionQuery, WindowQuery):
    """Default: the last 24 hours by ten minutes."""

    interval = WholeField(default=10, min_value=1, max_value=DAY_MINUTES, help_text="Minutes; divides a day.")

    default_window = ("hours", Decimal(24))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if DAY_MINUTES % attrs["interval"]:
            raise serializers.ValidationError({"interval": [f"Must divide a day of {DAY_MINUTES} minutes."]})
        for name in ("games", "all"):
            if name in attrs:
                raise serializers.ValidationError({name: ["Intervals are of time: give hours or since/until."]})
        if "hours" in attrs and attrs["hours"] * 60 % attrs["interval"]:
            raise serializers.ValidationError({"hours": [f"Must be whole intervals of {attrs['interval']} minutes."]})
        return attrs

    @property
    def width_ms(self) -> int:
        return int(self.validated_data["interval"]) * MINUTE_MS

    def window(self, now_ms: int) -> Window:
        """With hours: so many whole aligned intervals, the last of them open and cut at now."""
        window = super().window(now_ms)
        if window.kind == "hours":
            end = (now_ms // self.width_ms + 1) * self.width_ms
            length = int(self.validated_data["hours"] * HOUR_MS)
            window = Window("hours", window.requested, from_ms=end - length, to_ms=now_ms)
        refuse_rows("interval", grid_covering(window.from_ms, window.to_ms, self.width_ms).n * len(self.conditions))
        return window

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from self.condition_parameters()
        yield "interval", self.validated_data["interval"]
        yield from self.window_parameters()


class GameSetsQuery(ConditionQuery, WindowQuery):
    """Default: the last 1,000 games by ten."""

    size = WholeField(default=10, min_value=1, max_value=1000, help_text="Games in a set.")

    default_window = ("games", 1_000)

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield "size", self.validated_data["size"]


class SeriesQuery(ConditionQuery, WindowQuery):
    """Default: the last 1,000 games, newest series first."""

    sort = serializers.ChoiceField(["time", "length"], default="time", help_text="Newest or longest first.")
    limit = WholeField(default=100, min_value=1, max_value=1000, help_text="Series per condition.")

    default_window = ("games", 1_000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        refuse_rows("limit", attrs["limit"] * len(attrs["conditions"]))
        return attrs

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield "sort", self.validated_data["sort"]
        yield "limit", self.validated_data["limit"]


class LastGamesQuery(ConditionQuery):
    """Default: the last game."""

    limit = WholeField(default=1, min_value=1, max_value=100, help_text="Games per condition.")

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield "limit", self.validated_data["limit"]


def bins_parameter(edges: Sequence[int]) -> str:
    """Return the edges of bins as the `bins` parameter takes them: (100, 250) -> "1,2.5"."""
    return ",".join(map(format_hundredths, edges))


@extend_schema_field({"type": "string", "example": "1,1.5,2,10"})
class EdgesField(serializers.Field):  # type: ignore[type-arg]
    """Where bins begin, ascending, the first at 1: `1,2,10` -> [100, 200, 1000]."""

    def to_internal_value(self, data: Any) -> tuple[int, ...]:
        items = str(data).split(",")
        if len(items) > MAX_EDGES:
            raise serializers.ValidationError(f"Expected at most {MAX_EDGES} values, got {len(items)}.")
        try:
            edges = tuple(parse_hundredths(item.strip()) for item in items)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        if edges[0] != 100 or any(later <= earlier for earlier, later in pairwise(edges)):
            raise serializers.ValidationError("Must begin with 1 and ascend.")
        if edges[-1] > MAX_ASKED_HUNDREDTHS:
            raise serializers.ValidationError(f"Must be at most {format_hundredths(MAX_ASKED_HUNDREDTHS)}.")
        return edges

    def to_representation(self, value: Sequence[int]) -> str:
        return bins_parameter(value)


class DistributionQuery(WindowQuery):
    """Default: the last 10,000 games."""

    bins = EdgesField(default=DEFAULT_EDGES, help_text="Crash points at which bins begin: 1,1.5,2,10.")

    default_window = ("games", 10_000)

    @property
    def edges(self) -> tuple[int, ...]:
        edges: tuple[int, ...] = self.validated_data["bins"]
        return edges

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        if self.edges != DEFAULT_EDGES:
            yield "bins", bins_parameter(self.edges)


class VolatilityQuery(WindowQuery):
    """Default: the last 1,000 games by a hundred."""

    size = WholeField(default=100, min_value=2, max_value=10_000, help_text="Games in a block.")

    default_window = ("games", 1_000)

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        yield from super().own_parameters()
        yield "size", self.validated_data["size"]


class AuditQuery(WindowQuery):
    """Default: every game."""

    default_window = ("all", True)


def refuse_rows(name: str, rows: int) -> None:
    if rows > MAX_ROWS:
        raise serializers.ValidationError({name: [f"Gives {rows} rows; at most {MAX_ROWS} are answered."]})
