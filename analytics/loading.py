"""Rows of the table into columns, without an object per row."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models import F, Func, QuerySet, Value
from django.db.models.functions import Coalesce

from analytics.columns import UNKNOWN_TIME, Columns
from games.models import Game

# PostgreSQL's binary COPY: a header, then per row the number of fields and for each its length and its bytes.
# https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT
_HEADER_BYTES = 19
_TRAILER_BYTES = 2
_ROW = np.dtype(
    [
        *(("fields", ">i2"), ("id_length", ">i4"), ("id", ">i8"), ("crash_length", ">i4"), ("crash", ">i8")),
        *(("time_length", ">i4"), ("time", ">i8")),
    ]
)
_EPOCH_US = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000-01-01
_NO_TIME = datetime.fromtimestamp(UNKNOWN_TIME / 1000, UTC)


class _UnixMs(Func):
    """SQLite keeps a time as text; cut to milliseconds."""

    template = (
        "coalesce(CAST(strftime('%%%%s', substr(%(expressions)s, 1, 19)) AS INTEGER) * 1000"
        f" + CAST(substr(%(expressions)s, 21, 3) AS INTEGER), {UNKNOWN_TIME})"
    )
    output_field = models.BigIntegerField()


def columns_of(games: QuerySet[Game]) -> Columns:
    """In ascending id order, whatever the query's order. Times are cut to milliseconds. Raises django.db.Error."""
    postgresql = connections[games.db].vendor == "postgresql"
    try:
        ids, crash, end_ms = _copied(games) if postgresql else _fetched(games)
    except EmptyResultSet:  # Django knows without asking, as of no ids
        return Columns.empty()
    # The ledger keeps times as unsigned: one before 1970 (no crash game is that old) is none.
    end_ms = np.maximum(end_ms, UNKNOWN_TIME)
    if len(ids) > 1 and not bool((ids[1:] > ids[:-1]).all()):
        order = np.argsort(ids)
        return Columns(ids[order], crash[order], end_ms[order])
    return Columns(ids, crash, end_ms)


def _copied(games: QuerySet[Game]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = games.values_list("game_id", "crash_hundredths", Coalesce("end_time", Value(_NO_TIME)))
    database = connections[games.db]
    data = BytesIO()
    with database.cursor() as cursor, database.wrap_database_errors:
        select = cursor.mogrify(*rows.query.sql_with_params()).decode()
        cursor.copy_expert(f"COPY ({select}) TO STDOUT (FORMAT binary)", data)
    read = np.frombuffer(data.getbuffer()[_HEADER_BYTES:-_TRAILER_BYTES], dtype=_ROW)
    end_ms = (read["time"].astype(np.int64) + _EPOCH_US) // 1000
    return read["id"].astype(np.int64), read["crash"].astype(np.int64), end_ms


def _fetched(games: QuerySet[Game]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows: Any = games.values_list("game_id", "crash_hundredths", _UnixMs(F("end_time")))
    with connections[games.db].cursor() as cursor:
        cursor.execute(*rows.query.sql_with_params())
        read = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 3)
    return read[:, 0].copy(), read[:, 1].copy(), read[:, 2].copy()
