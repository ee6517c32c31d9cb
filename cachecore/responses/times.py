"""Times in responses: one format in JSON, CSV, JSON lines and events."""

from datetime import datetime, tzinfo
from functools import lru_cache

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_encode = msgspec.json.Encoder().encode


def format_time(time: datetime) -> str:
    """Return an aware time in ISO 8601 with milliseconds: `Z` ends a time in UTC, its offset a time in any other zone.

    Every time of a zone has the same length, because strict parsers (pandas, strptime) infer the format of a column
    from its first value. Anything finer than a millisecond is cut off.
    """
    text = _encode(time).decode()[1:-1]  # a fifth of the time that datetime.isoformat() takes
    seconds, rest = text[:19], text[19:]
    fraction = rest[:4] if rest[0] == "." else ".000"
    if (offset := rest[-6:])[-1] == "Z":
        offset = "Z" if _is_utc(time.tzinfo) else "+00:00"
    return f"{seconds}{fraction}{offset}"


@lru_cache(maxsize=1024)
def _is_utc(zone: tzinfo | None) -> bool:
    """Return True for UTC under any of its names, and False for a zone such as London, whose offset is 0 in winter."""
    return zone is not None and zone.tzname(None) == "UTC"


@extend_schema_field(
    {
        "type": "string",
        "format": "date-time",
        "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}(Z|[+-]\d{2}:\d{2})$",
        "example": "2026-07-01T12:00:40.000Z",
    }
)
class TimeField(serializers.DateTimeField):
    """A time in a response, in the current time zone."""

    def to_representation(self, value: datetime) -> str:
        return format_time(timezone.localtime(value))
