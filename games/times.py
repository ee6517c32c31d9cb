"""Times as they are stored: UTC with milliseconds."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(2009, 1, 3, tzinfo=UTC)  # the first Bitcoin block; no crash game is older
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(time: datetime) -> datetime:
    """Return the same instant in UTC, cut to milliseconds."""
    utc = time.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def unix_ms(time: datetime) -> int:
    return (time - EPOCH) // MILLISECOND


def from_unix_ms(ms: int) -> datetime:
    return EPOCH + ms * MILLISECOND
