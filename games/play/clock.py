"""Times of the step game come from the database, so that all processes and machines agree on their order."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models.functions import Now

MICROSECOND = timedelta(microseconds=1)


class DatabaseNow(Now):
    """The database's time at this moment. Django's Now() is the time at which a statement or transaction began."""

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="CLOCK_TIMESTAMP()", **extra)


def database_now() -> datetime:
    """Return the database's time. SQLite runs in this process, whose clock is finer than its milliseconds."""
    if connection.vendor == "sqlite":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT CLOCK_TIMESTAMP()")
        [now] = cursor.fetchone()
    return now  # type: ignore[no-any-return]


def not_before(now: datetime, earlier: datetime | None) -> datetime:
    """Return `now`, or the next microsecond after `earlier` if the clock has not moved on or was set back.

    The order of the two events is certain: the second one was committed after the first one was read.
    """
    return now if earlier is None or now > earlier else earlier + MICROSECOND
