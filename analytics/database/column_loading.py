"""Load rows of the table as columns, without a Python object per row: the database packs all rows into one value.

On PostgreSQL the value is a binary string, fetched with COPY because the driver returns other results as text. On
SQLite it is a text.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO
from struct import unpack_from
from typing import Any

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from analytics.columns import UNKNOWN_TIME, Columns, Integers
from games.models import Game

# PostgreSQL's binary COPY: a header, then per row the number of fields and for each its length and its bytes.
# https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT
_HEADER_BYTES = 19
_NULL = -1
_EPOCH_US = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000-01-01

_GAME = ("game_id", "crash_hundredths")
_POSTGRESQL_TIME = "timestamptz_send(coalesce(end_time, 'epoch'))"
# SQLite stores a time as text; it is cut to milliseconds.
_SQLITE_TIME = (
    "coalesce(CAST(strftime('%%s', substr(end_time, 1, 19)) AS INTEGER) * 1000"
    " + CAST(substr(end_time, 21, 3) AS INTEGER), 0)"
)


def load_columns(games: QuerySet[Game]) -> Columns:
    """Load these games in ascending id order, whatever the order of the query. Times are cut to milliseconds.

    Raises django.db.Error.
    """
    try:
        statement, parameters = games.values_list(*_GAME, "end_time").query.sql_with_params()
    except EmptyResultSet:  # Django sees without a query that there can be no rows, for example with id IN ()
        return Columns.empty()
    return read_columns(statement, parameters=parameters)[0]


def read_columns(games: str, *others: str, parameters: Sequence[Any] = ()) -> tuple[Columns, list[int]]:
    """Load the games of a SELECT of id, crash point and end time, in ascending id order, and other integers.

    `others` are SQL expressions that may refer to `found.first_id` and `found.last_id`, the first and last id of these
    games; NULL becomes 0. Everything is read in one statement, and so from one state of the table without a
    transaction. Raises django.db.Error.
    """
    time = _POSTGRESQL_TIME if _on_postgresql() else _SQLITE_TIME
    found = f"{_packing_aggregate(_GAME, time)} AS packed, min(game_id) AS first_id, max(game_id) AS last_id"
    results = ", ".join(["packed", *others])
    statement = f"WITH found AS (SELECT {found} FROM ({games}) AS games) SELECT {results} FROM found"  # noqa: S608 - constants
    packed, *numbers = _fetch_row(statement, parameters)
    return _columns(_unpack(packed, len(_GAME) + 1)), [_to_integer(number) for number in numbers]


def read_integers(rows: str, names: Sequence[str], parameters: Sequence[Any] = ()) -> Integers:
    """Load the rows of a SELECT, one column per name. No value may be NULL. Raises django.db.Error."""
    statement = f"SELECT {_packing_aggregate(names)} FROM ({rows}) AS rows_to_pack"  # noqa: S608 - constants
    [packed] = _fetch_row(statement, parameters)
    return _unpack(packed, len(names))


def _on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def _packing_aggregate(names: Sequence[str], *more: str) -> str:
    """Return the SQL aggregate that packs all rows into one value.

    Each row is one argument of one aggregate, because several aggregates might see the rows in different orders.
    """
    if _on_postgresql():
        return f"string_agg({' || '.join([*(f'int8send({name})' for name in names), *more])}, '')"
    return "group_concat({}, ' ')".format(" || ' ' || ".join([*names, *more]))


def _fetch_row(statement: str, parameters: Sequence[Any]) -> Sequence[Any]:
    with connection.cursor() as cursor:
        if _on_postgresql():
            return _fetch_row_by_copy(cursor, statement, parameters)
        cursor.execute(statement, [_adapt(parameter) for parameter in parameters])
        row: Sequence[Any] = cursor.fetchone()
    return row


def _fetch_row_by_copy(cursor: Any, statement: str, parameters: Sequence[Any]) -> Sequence[memoryview | None]:
    data = BytesIO()
    with connection.wrap_database_errors:
        select = cursor.mogrify(statement, parameters).decode()
        cursor.copy_expert(f"COPY ({select}) TO STDOUT (FORMAT binary)", data)
    return list(_parse_copied_fields(data.getbuffer()))


def _parse_copied_fields(copied: memoryview) -> Iterator[memoryview | None]:
    """Yield the fields of the first row."""
    (count,) = unpack_from(">h", copied, _HEADER_BYTES)
    at = _HEADER_BYTES + 2
    for _ in range(count):
        (length,) = unpack_from(">i", copied, at)
        at += 4
        if length == _NULL:
            yield None
            continue
        yield copied[at : at + length]
        at += length


def _unpack(packed: Any, width: int) -> Integers:
    """Return rows of `width` integers; no rows for NULL."""
    if packed is None:
        return np.empty((0, width), dtype=np.int64)
    if isinstance(packed, str):
        return np.fromstring(packed, dtype=np.int64, sep=" ").reshape(-1, width)
    return np.frombuffer(packed, dtype=">i8").reshape(-1, width)


def _columns(rows: Integers) -> Columns:
    ids, crash, time = (np.ascontiguousarray(column, dtype=np.int64) for column in rows.T)
    end_ms = (time + _EPOCH_US) // 1000 if _on_postgresql() else time
    # The ledger stores times as unsigned integers: a time before 1970 (no crash game is that old) becomes unknown.
    columns = Columns(ids, crash, np.maximum(end_ms, UNKNOWN_TIME))
    return columns.sorted_by_id()


def _to_integer(number: Any) -> int:
    return int.from_bytes(number, signed=True) if isinstance(number, memoryview) else int(number or 0)


def _adapt(parameter: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(parameter) if isinstance(parameter, datetime) else parameter
