"""Series as a timeline: each is a block as wide and as high as it is long; ranked, they are bars of equal width."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from web.dashboard.charts.scales import Linear, ceiling

WIDTH, HEIGHT = 1280, 200
LEFT, RIGHT, TOP, BOTTOM = 36, 1276, 10, 176
GAP = 0.5


@dataclass(frozen=True, slots=True)
class Block:
    x: float
    y: float
    width: float
    height: float
    series: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Skyline:
    blocks: Sequence[Block]
    gap_y: float
    gap: float
    ticks: Sequence[tuple[float, float]]
    first: int
    last: int
    ranked: bool


def skyline(series: Sequence[Mapping[str, Any]], expected_gap: float, *, ranked: bool) -> Skyline | None:
    """Return the timeline of the API's series, or None if there is none. `ranked`: in the given order, else by game."""
    if not series:
        return None
    first = min(one["start_game"] for one in series)
    last = max(one["end_game"] for one in series)
    top = ceiling(max(expected_gap, *(one["length"] for one in series)))
    y = Linear(0, top, BOTTOM, TOP)
    x = Linear(0, len(series), LEFT, RIGHT) if ranked else Linear(first, last + 1, LEFT, RIGHT)
    blocks = []
    for rank, one in enumerate(series):
        start, end = (rank, rank + 1) if ranked else (one["start_game"], one["end_game"] + 1)
        height = round(BOTTOM - y(one["length"]), 2)
        blocks.append(Block(x(start), y(one["length"]), max(1.0, round(x(end) - x(start) - GAP, 2)), height, one))
    ticks = [(y(value), value) for value in (0, top / 2, top)]
    return Skyline(blocks, y(expected_gap), expected_gap, ticks, first, last, ranked)
