"""Times of the step game come from the database, so that all processes and machines agree on their order.

They are cut to milliseconds when they are stored. What an answer shows is then exactly what was compared.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from games.times import MILLISECOND, to_milliseconds


class DatabaseNow(Now):
    """The database's time at this moment. Django's Now() is the time at which a statement or transaction began."""

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="CLOCK_TIMESTAMP()", **extra)


def database_now() -> datetime:
    """Return the database's time. SQLite runs in this process and has its clock."""
    if connection.vendor == "sqlite":
        return to_milliseconds(datetime.now(UTC))
    with connection.cursor() as cursor:
        cursor.execute("SELECT CLOCK_TIMESTAMP()")
        [now] = cursor.fetchone()
    return to_milliseconds(now)


def later_than(now: datetime, earlier: datetime | None) -> datetime:
    """Return `now`, or the millisecond after `earlier` if the clock has not moved on or was set back.

    The order of the two events is certain, because the earlier one was read from a committed row.
    """
    return now if earlier is None or now > earlier else earlier + MILLISECOND


def iso_ms(time: datetime) -> str:
    """Return a time in ISO 8601 with milliseconds, in the current zone; `Z` stands for UTC."""
    return timezone.localtime(time).isoformat(timespec="milliseconds").replace("+00:00", "Z")
