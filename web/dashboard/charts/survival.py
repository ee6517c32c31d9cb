"""The share of games that reach x, on logarithmic axes, where the law 0.99 / x is a straight line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt
from typing import Any

from web.dashboard.charts.scales import Log

WIDTH, HEIGHT = 480, 350
LEFT, RIGHT, TOP, BOTTOM = 52, 470, 12, 314
SIGMAS = 1.96
STEPS = 60
TIMES = "\N{MULTIPLICATION SIGN}"

Chance = Callable[[float], float]  # crash point -> probability that a game reaches it


@dataclass(frozen=True, slots=True)
class Point:
    """`outside`: the share is outside the band in which chance keeps it in 95 of 100 cases."""

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


def survival(bins: Sequence[Mapping[str, Any]], games: int, chance: Chance) -> Survival:
    """Return the chart of the API's bins: ascending, the last without an end. `games` must be above 0."""
    counts = list(accumulate(reversed([one["count"] for one in bins])))[::-1]
    reached = [(one["from"], count) for one, count in zip(bins, counts, strict=True) if count]
    x = Log(1, max(10.0, reached[-1][0] * 2), LEFT, RIGHT)
    y = Log(min(0.5 / games, chance(x.high)), 1, BOTTOM, TOP)
    law = [(x(at), chance(at)) for at in _spread(x)]
    around = [_interval_95(share, games) for _, share in law]
    upper = [(at, y(high)) for (at, _), (_, high) in zip(law, around, strict=True)]
    lower = [(at, y(low)) for (at, _), (low, _) in zip(law, around, strict=True)]
    return Survival(
        points=[_point(x, y, games, start, count, chance(start)) for start, count in reached],
        law=_path([(at, y(share)) for at, share in law]),
        band=_path([*upper, *reversed(lower)]),
        x_ticks=[Tick(x(value), f"{value:,.0f}{TIMES}") for value in x.decades()],
        y_ticks=[Tick(y(value), _percent(value)) for value in y.decades()],
    )


def _spread(x: Log) -> list[float]:
    """Return crash points at equal distances on the axis, rounded to the hundredth."""
    return [max(1.0, round(x.high ** (i / STEPS), 2)) for i in range(STEPS + 1)]


def _point(x: Log, y: Log, games: int, start: float, count: int, expected: float) -> Point:
    share = count / games
    low, high = _interval_95(expected, games)
    outside = not low <= share <= high and abs(count - expected * games) >= 1
    return Point(x(start), y(share), start, count, share * 100, expected * 100, outside)


def _interval_95(share: float, games: int) -> tuple[float, float]:
    """Return the bounds of 95 of 100 samples of a share: Wilson's score interval, which stays above 0 if it is rare."""
    square = SIGMAS**2 / games
    middle = share + square / 2
    reach = sqrt(square * (share * (1 - share) + square / 4))
    return (middle - reach) / (1 + square), (middle + reach) / (1 + square)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _percent(share: float) -> str:
    return f"{100 * share:.10f}".rstrip("0").rstrip(".") + "%"
