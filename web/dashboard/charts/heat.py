"""The heat map: one square per interval. Its area shows the share, its tone the ratio to the expected share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Any

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
    """Return the map of the API's intervals, whose times are in the page's zone.

    Intervals below an hour: a column per hour, a row per part of the hour. Intervals of an hour: a column per hour of
    the day, a row per day.
    """
    fine = minutes < 60
    columns: dict[object, Label] = {}
    rows: dict[object, Label] = {}
    placed = []
    for row in intervals:
        start = datetime.fromisoformat(row["start"])
        hour = (
            start.date(),
            start.hour,
            start.utcoffset(),
        )  # an hour that occurs twice when clocks change has two columns
        column_key: object = hour if fine else start.hour
        row_key: object = start.minute // minutes if fine else start.date()
        if column_key not in columns:
            columns[column_key] = Label(len(columns), f"{start:%H}")
        if row_key not in rows:
            rows[row_key] = Label(len(rows), f":{start.minute // minutes * minutes:02d}" if fine else f"{start:%a %d}")
        placed.append((column_key, row_key, start, row))
    order = {key: i for i, key in enumerate(sorted(rows, key=str) if fine else rows)}
    hours = {key: i for i, key in enumerate(columns if fine else sorted(columns, key=lambda key: int(str(key))))}
    squares = [
        _square(hours[column], order[line], start, row, expected, is_open=row is intervals[-1] and not row["complete"])
        for column, line, start, row in placed
    ]
    return Heat(
        width=LEFT + PITCH * len(hours),
        height=TOP + PITCH * len(order),
        squares=squares,
        columns=[Label(_centre(LEFT, i), columns[key].text) for key, i in hours.items() if i % 3 == 0],
        rows=[Label(_centre(TOP, i), rows[key].text) for key, i in order.items()],
        legend=legend(),
        pauses=any(square.level is None for square in squares),
    )


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
