"""Export games as CSV or JSON lines, row by row, so that memory use does not grow with the table."""

import csv
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from datetime import datetime
from itertools import chain
from threading import Event
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec
from django.db.models import QuerySet

from cachecore.responses.times import format_time
from games.crash_points import to_number
from games.models import Game

Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
CONTENT_TYPES: dict[Format, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}

FIELDS = (
    *("game_id", "hash", "crash_point", "crashed_floor", "calculated_point", "verified", "formula"),
    *("prepare_time", "begin_time", "end_time", "source"),
)
_COLUMNS = {"crash_point": "crash_hundredths", "calculated_point": "calculated_hundredths"}
_CRASH_POINT_INDEXES = [index for index, name in enumerate(FIELDS) if name in _COLUMNS]
# The server sets the event when the client has disconnected; a streaming response checks it between parts.
client_disconnected: ContextVar[Event | None] = ContextVar("client_disconnected", default=None)

ROWS_PER_FETCH = 2_000
ROWS_PER_PART = 200  # written to the client together

Row = list[Any]


def export_games(games: QuerySet[Game], format_: Format, zone: ZoneInfo) -> Iterator[bytes]:
    """Return the parts of the file, with the same fields as a game of the API.

    The first rows are read at once, so that a database that is unavailable raises django.db.Error here, while the
    response can still be a 503. An error in a later part can only end the file early.
    """
    columns = [_COLUMNS.get(name, name) for name in FIELDS]
    read = games.values_list(*columns).iterator(chunk_size=ROWS_PER_FETCH)
    first = next(read, None)
    rows = (_to_file_values(row, zone) for row in (chain([first], read) if first is not None else read))
    return stop_when_disconnected(_join_lines(_csv(rows) if format_ == "csv" else _jsonl(rows)))


def stop_when_disconnected(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the parts until the client has disconnected; without this the rest of the table would still be read."""
    disconnected = client_disconnected.get()
    for part in parts:
        if disconnected is not None and disconnected.is_set():
            return
        yield part


def _to_file_values(row: Iterable[Any], zone: ZoneInfo) -> Row:
    values: Row = [format_time(value.astimezone(zone)) if isinstance(value, datetime) else value for value in row]
    for index in _CRASH_POINT_INDEXES:
        if values[index] is not None:
            values[index] = to_number(values[index])
    return values


def _jsonl(rows: Iterable[Row]) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for row in rows:
        yield encode(dict(zip(FIELDS, row, strict=True))) + b"\n"


def _csv(rows: Iterable[Row]) -> Iterator[bytes]:
    written: list[str] = []
    writer = csv.writer(_LineWriter(written.append))
    for row in chain([list(FIELDS)], rows):
        writer.writerow(map(_csv_value, row))
        yield written.pop().encode()


def _csv_value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


class _LineWriter:
    """The file object that csv.writer requires: it has a `write` method and nothing else."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write


def _join_lines(lines: Iterator[bytes]) -> Iterator[bytes]:
    part: list[bytes] = []
    for line in lines:
        part.append(line)
        if len(part) == ROWS_PER_PART:
            yield b"".join(part)
            part.clear()
    if part:
        yield b"".join(part)
