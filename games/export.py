"""Games as CSV or JSON lines, row by row: the table is never in memory at once."""

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
_POINTS = [index for index, name in enumerate(FIELDS) if name in _COLUMNS]
# Set by the server when who asked has left: whatever streams looks at it between parts.
client_gone: ContextVar[Event | None] = ContextVar("client_gone", default=None)

ROWS_PER_FETCH = 2_000
ROWS_PER_PART = 200  # written to the client together

Row = list[Any]


def exported(games: QuerySet[Game], format_: Format, zone: ZoneInfo) -> Iterator[bytes]:
    """The file in parts, the same fields as the API's games. The first part is asked for at once.

    Raises django.db.Error at the call where the table does not answer; later it can only break off.
    """
    columns = [_COLUMNS.get(name, name) for name in FIELDS]
    read = games.values_list(*columns).iterator(chunk_size=ROWS_PER_FETCH)
    first = next(read, None)
    rows = (_shown(row, zone) for row in (chain([first], read) if first is not None else read))
    return until_gone(_parts(_csv(rows) if format_ == "csv" else _jsonl(rows)))


def until_gone(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Stop when nobody listens any more: the rows of a large table are not read for nobody."""
    gone = client_gone.get()
    for part in parts:
        if gone is not None and gone.is_set():
            return
        yield part


def _shown(row: Iterable[Any], zone: ZoneInfo) -> Row:
    shown: Row = [value.astimezone(zone) if isinstance(value, datetime) else value for value in row]
    for index in _POINTS:
        if shown[index] is not None:
            shown[index] = to_number(shown[index])
    return shown


def _jsonl(rows: Iterable[Row]) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for row in rows:
        yield encode(dict(zip(FIELDS, row, strict=True))) + b"\n"


def _csv(rows: Iterable[Row]) -> Iterator[bytes]:
    written: list[str] = []
    writer = csv.writer(_Lines(written.append))
    for row in chain([list(FIELDS)], rows):
        writer.writerow(map(_text, row))
        yield written.pop().encode()


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else value


class _Lines:
    """What csv.writer calls a file."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write


def _parts(lines: Iterator[bytes]) -> Iterator[bytes]:
    part: list[bytes] = []
    for line in lines:
        part.append(line)
        if len(part) == ROWS_PER_PART:
            yield b"".join(part)
            part.clear()
    if part:
        yield b"".join(part)
