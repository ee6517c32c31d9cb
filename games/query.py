"""Query parameters of the API: each is validated and made canonical, or the response is a 400 that names it."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, Self
from zoneinfo import ZoneInfo, available_timezones

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from games.crash_points import format_hundredths, parse_hundredths, to_number
from games.times import EARLIEST, LATEST, to_milliseconds

_WHOLE = re.compile(r"-?[0-9]{1,20}")
_POINT_ZERO = re.compile(r"\.0+\Z")
MAX_QUERY_HUNDREDTHS = 10_000_000 * 100


@extend_schema_field({"type": "number", "minimum": 1, "description": "At most two decimals.", "example": 2.34})
class CrashPointField(serializers.Field):  # type: ignore[type-arg]
    """A crash point: 2.34 in JSON, 234 in Python. A query may also spell 2 as `02` or `2.0`."""

    def to_internal_value(self, data: Any) -> int:
        try:
            hundredths = parse_hundredths(str(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        if hundredths > MAX_QUERY_HUNDREDTHS:
            raise serializers.ValidationError(f"Must be at most {format_hundredths(MAX_QUERY_HUNDREDTHS)}.")
        return hundredths

    def to_representation(self, value: int) -> float:
        return to_number(value)


class WholeField(serializers.IntegerField):
    """A whole number in ASCII digits. Python's int() would also accept 1_0 and digits of other scripts."""

    def to_internal_value(self, data: Any) -> int:
        if not _WHOLE.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class FloorField(WholeField):
    """The integer part of a crash point. `02` and `2.0` are 2, as in CrashPointField."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_QUERY_HUNDREDTHS // 100, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        return super().to_internal_value(_POINT_ZERO.sub("", str(data)))


class InstantField(serializers.DateTimeField):
    """An ISO 8601 time, cut to milliseconds. The UTC offset is required, because without it the time is ambiguous."""

    default_error_messages = {
        "invalid": "Expected an ISO 8601 time with its UTC offset, such as 2026-07-01T12:00:00Z"
        " (write + as %2B in a URL)."
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise serializers.ValidationError("Expected a UTC offset, such as Z or +01:00 (write + as %2B in a URL).")
        return value

    def to_internal_value(self, value: Any) -> datetime:
        time = super().to_internal_value(value)
        if not EARLIEST <= time <= LATEST:
            raise serializers.ValidationError(f"Must be from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}.")
        return to_milliseconds(time)


@extend_schema_field({"type": "string", "example": "Europe/London"})
class ZoneField(serializers.Field):  # type: ignore[type-arg]
    """A time zone: an IANA name in any case in the query, a ZoneInfo with the canonical name in Python."""

    def to_internal_value(self, data: Any) -> ZoneInfo:
        zone = find_zone(str(data))
        if zone is None:
            raise serializers.ValidationError("Expected an IANA time zone, such as Europe/London.")
        return zone


def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name, without regard to case, or None if there is no such zone."""
    canonical = _canonical_zone_names().get(name.lower())
    return ZoneInfo(canonical) if canonical is not None else None


@cache
def _canonical_zone_names() -> dict[str, str]:
    """Return lower-case name -> name of the host's zones, without its own (localtime) and the placeholder (Factory)."""
    return {name.lower(): name for name in available_timezones() - {"localtime", "Factory"}}


class Query(serializers.Serializer):  # type: ignore[type-arg]
    """The base class of all queries. Unknown and repeated parameters are rejected; every query has a time zone."""

    tz = ZoneField(
        required=False, default=lambda: ZoneInfo("UTC"), help_text="IANA zone, in any case; wins over X-Timezone."
    )

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the validated query of a request. Raises ValidationError.

        An unknown zone is an error in `tz`, which somebody wrote. In X-Timezone it is UTC, because browsers send names
        there that only they know (Etc/Unknown).
        """
        data = {name: values[-1] for name, values in request.query_params.lists()}
        if "tz" not in data and (zone := find_zone(request.headers.get("X-Timezone", ""))):
            data["tz"] = zone.key
        query = cls(data=data)
        query.reject_unknown_parameters(request)
        query.is_valid(raise_exception=True)
        return query

    def reject_unknown_parameters(self, request: Request) -> None:
        """Raise ValidationError if a parameter is unknown or given more than once."""
        errors = {
            name: ["Unknown parameter." if name not in self.fields else "Given more than once."]
            for name, values in request.query_params.lists()
            if name not in self.fields or len(values) > 1
        }
        if errors:
            raise serializers.ValidationError(errors)

    @property
    def zone(self) -> ZoneInfo:
        zone: ZoneInfo = self.validated_data["tz"]
        return zone

    def parameters(self) -> Iterator[tuple[str, object]]:
        """Yield the canonical parameters for the cache key, in a fixed order, the zone last."""
        yield from self.own_parameters()
        yield "tz", self.zone.key

    def own_parameters(self) -> Iterator[tuple[str, object]]:
        """Yield the parameters that subclasses add, in the order of the cache key."""
        yield from ()


class EmptyQuery(Query):
    """A query without any parameter, for calls that take their input from the body."""

    tz = None  # type: ignore[assignment]


class ZoneQuery(Query):
    """A query with no parameter but the zone."""
