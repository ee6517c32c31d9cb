from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from cachecore.responses.times import format_time

NOON = datetime(2026, 1, 15, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "2026-01-15T12:00:00.000Z"),
        ("Etc/Zulu", "2026-01-15T12:00:00.000Z"),
        ("Europe/London", "2026-01-15T12:00:00.000+00:00"),  # its column continues with +01:00 in summer
        ("America/St_Johns", "2026-01-15T08:30:00.000-03:30"),
        ("Asia/Kathmandu", "2026-01-15T17:45:00.000+05:45"),
    ],
)
def test_a_time_ends_in_z_in_utc_and_in_its_offset_in_every_other_zone(zone, text):
    assert format_time(NOON.astimezone(ZoneInfo(zone))) == text


@pytest.mark.parametrize(
    ("microsecond", "fraction"),
    [(0, "000"), (1_000, "001"), (250_000, "250"), (999_000, "999"), (999_999, "999"), (1, "000")],
)
def test_a_time_always_has_milliseconds(microsecond, fraction):
    assert format_time(NOON.replace(microsecond=microsecond)) == f"2026-01-15T12:00:00.{fraction}Z"


def test_any_tzinfo_is_accepted():
    assert format_time(NOON.astimezone(timezone(timedelta(hours=-3)))) == "2026-01-15T09:00:00.000-03:00"
    assert format_time(NOON.astimezone(timezone(timedelta(0)))) == "2026-01-15T12:00:00.000Z"
