"""The distribution on log axes: the share of games that reach x, beside the law 0.99 / x, a straight line there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt
from typing import Any

from analytics.dashboard.charts.scales import Log

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 470, 12, 264
SIGMAS = 2.0
TIMES = "\N{MULTIPLICATION SIGN}"

EDGES = (
    *("1", "1.01", "1.1", "1.25", "1.5", "1.75", "2", "2.5", "3", "4", "5", "7.5", "10", "15", "20", "30", "50", "75"),
    *("100", "150", "200", "300", "500", "1000", "2000", "5000", "10000"),
)


@dataclass(frozen=True, slots=True)
class Point:
    """`outside`: further from the law than chance goes in 95 of 100 cases."""

    x: float
    y: float
    at: float
    count: int
    share: float
    expected: float
    outside: bool


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Survival:
    points: Sequence[Point]
    law: str
    band: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def survival(bins: Sequence[Mapping[str, Any]], games: int) -> Survival:
    """`bins` as the API tells them, ascending, the last without an end; `games` above 0."""
    counts = list(accumulate(reversed([one["count"] for one in bins])))[::-1]
    expected = list(accumulate(reversed([one["expected_percentage"] / 100 for one in bins])))[::-1]
    starts = [one["from"] for one in bins]
    last = max((start for start, count in zip(starts, counts, strict=True) if count), default=starts[0])
    x = Log(1, max(10.0, last * 2), LEFT, RIGHT)
    y = Log(0.5 / games, 1, BOTTOM, TOP)
    shown = [
        (start, count, share) for start, count, share in zip(starts, counts, expected, strict=True) if start <= x.high
    ]
    return Survival(
        points=[_point(x, y, games, *one) for one in shown if one[1]],
        law=_path([(x(start), y(share)) for start, _, share in shown]),
        band=_path(_band(x, y, games, [(start, share) for start, _, share in shown])),
        x_ticks=[Tick(x(value), f"{value:,.0f}{TIMES}") for value in x.decades()],
        y_ticks=[Tick(y(value), _percent(value)) for value in y.decades()],
    )


def _point(x: Log, y: Log, games: int, start: float, count: int, expected: float) -> Point:
    share = count / games
    outside = abs(share - expected) > SIGMAS * sqrt(expected * max(0.0, 1 - expected) / games) + 0.5 / games
    return Point(x(start), y(share), start, count, share * 100, expected * 100, outside)


def _band(x: Log, y: Log, games: int, law: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    upper, lower = [], []
    for start, share in law:
        reach = SIGMAS * sqrt(share * max(0.0, 1 - share) / games)
        upper.append((x(start), y(min(1.0, share + reach))))
        lower.append((x(start), y(max(y.low, share - reach))))
    return [*upper, *reversed(lower)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _percent(share: float) -> str:
    return f"{100 * share:.10f}".rstrip("0").rstrip(".") + "%"
