"""The heat map: one square per interval. Its area shows the share, its tone the ratio to the expected share."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from math import sqrt
from typing import Any, NamedTuple

PITCH = 22
LEFT, TOP = 48, 20
SMALLEST, LARGEST = 5, 19
# Ratios to the expected share at which the tone changes.
STEPS = (0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class Square:
    """`level` 0: no game met the condition; 1..5 by STEPS; None: no game was played."""

    x: float
    y: float
    side: float
    level: int | None
    open: bool
    start: str
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Label:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Heat:
    width: float
    height: float
    squares: Sequence[Square]
    columns: Sequence[Label]
    rows: Sequence[Label]
    legend: Sequence[tuple[int, float, float, str]]
    pauses: bool  # in at least one interval no game was played


def heat(intervals: Sequence[Mapping[str, Any]], minutes: int, expected: float) -> Heat:
    """Return the map of the API's intervals, whose times are in the page's zone: one square per interval.

    Intervals below an hour: a column per hour, a row per part of the hour. Intervals of an hour: a column per time of
    the day, a row per day.
    """
    starts = [datetime.fromisoformat(row["start"]) for row in intervals]
    cells = [_fine_cell(start) for start in starts] if minutes < 60 else _hourly_cells(starts)
    columns = _indexed((column for column, _ in cells), ordered=minutes >= 60)
    rows = _indexed((row for _, row in cells), ordered=minutes < 60)
    squares = [
        _square(columns[column], rows[line], start, row, expected, is_open=row is intervals[-1] and not row["complete"])
        for (column, line), start, row in zip(cells, starts, intervals, strict=True)
    ]
    return Heat(
        width=LEFT + PITCH * len(columns),
        height=TOP + PITCH * len(rows),
        squares=squares,
        columns=[Label(_centre(LEFT, i), column.label) for column, i in columns.items() if i % 3 == 0],
        rows=[Label(_centre(TOP, i), row.label) for row, i in rows.items()],
        legend=legend(),
        pauses=any(square.level is None for square in squares),
    )


class Line(NamedTuple):
    """A column or a row: lines of equal `key` are one."""

    key: tuple[Any, ...]
    label: str


def _fine_cell(start: datetime) -> tuple[Line, Line]:
    """Return the column and the row of an interval below an hour.

    The offset is part of the hour: an hour that occurs twice when clocks change has two columns. In zones with an
    offset of a quarter hour intervals begin at :05, :15 and so on, so the row is the minute itself.
    """
    column = Line((start.date(), start.hour, start.utcoffset()), f"{start:%H}")
    return column, Line((start.minute,), f":{start:%M}")


def _hourly_cells(starts: Sequence[datetime]) -> list[tuple[Line, Line]]:
    """Return the column and the row of each interval of an hour.

    On the day on which clocks go back one time of the day occurs twice: its second hour gets a column of its own, next
    to the first one.
    """
    seen: Counter[tuple[date, time]] = Counter()
    cells = []
    for start in starts:
        day, clock = start.date(), start.time()
        label = f"{start:%H}" if clock.minute == 0 else f"{start:%H:%M}"
        column = Line((clock.hour, clock.minute, seen[day, clock]), label)
        seen[day, clock] += 1
        cells.append((column, Line((day,), f"{start:%a %d}")))
    return cells


def _indexed(lines: Iterable[Line], *, ordered: bool) -> dict[Line, int]:
    """Return the position of each line, in the order of their keys or of their first occurrence."""
    distinct = dict.fromkeys(lines)
    return {line: i for i, line in enumerate(sorted(distinct) if ordered else distinct)}


def legend() -> list[tuple[int, float, float, str]]:
    """Return, per level: its number, where its square begins in a field of LARGEST, the square's side, the text."""
    levels = [(0, 0.0, "none"), (1, 0.25, "below half"), (2, 0.75, "below"), (3, 1.25, "above"), (4, 1.75, "1½ times")]
    return [
        (level, (LARGEST - _side(ratio)) / 2, _side(ratio), text)
        for level, ratio, text in [*levels, (5, 2.0, "twice the expected share")]
    ]


def _square(
    column: int, line: int, start: datetime, row: Mapping[str, Any], expected: float, *, is_open: bool
) -> Square:
    ratio = None if row["percentage"] is None else row["percentage"] / expected
    side = SMALLEST if ratio is None else _side(ratio)
    level = None if ratio is None else _level(ratio)
    x, y = _centre(LEFT, column) - side / 2, _centre(TOP, line) - side / 2
    return Square(round(x, 2), round(y, 2), side, level, is_open, f"{start:%a %H:%M}", row)


def _level(ratio: float) -> int:
    return 0 if ratio == 0 else 1 + sum(ratio >= step for step in STEPS)


def _side(ratio: float) -> float:
    """Return the side of a square whose area is proportional to the ratio, up to twice the expected share."""
    return round(SMALLEST + (LARGEST - SMALLEST) * sqrt(min(ratio, 2.0) / 2.0), 2)


def _centre(origin: int, index: int) -> float:
    return origin + PITCH * index + PITCH / 2
