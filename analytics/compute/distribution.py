"""The distribution of crash points over bins, with the probabilities by the site's law. Pure: no Django, no Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from analytics.columns import Columns
from games.fairness.law import Law

# Source: CRASH_FORMULAS §3. The chi-square test uses these bins too.
DEFAULT_EDGES = (100, 101, 110, 120, 135, 150, 175, 200, 250, 300, 400, 500, 750, 1_000, 2_000, 5_000)
# Evenly spaced on the logarithmic axis of the dashboard's chart.
CHART_EDGES = (
    *(100, 101, 110, 125, 150, 175, 200, 250, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500),
    *(10_000, 15_000, 20_000, 30_000, 50_000, 100_000, 200_000, 500_000, 1_000_000),
)


@dataclass(frozen=True, slots=True)
class Bin:
    """Crash points from `low` to below `high` hundredths (None: unbounded)."""

    low: int
    high: int | None
    count: int
    probability: Fraction


def distribution(columns: Columns, edges: Sequence[int], law: Law) -> list[Bin]:
    """Count the games per bin. `edges` are the bins' lower bounds in ascending order, the first one 100."""
    index = np.searchsorted(np.array(edges), columns.crash, side="right") - 1
    found = np.bincount(index, minlength=len(edges)).tolist()
    bounds = [*pairwise(edges), (edges[-1], None)]
    return [
        Bin(low, high, count, _probability(low, high, law)) for (low, high), count in zip(bounds, found, strict=True)
    ]


def _probability(low: int, high: int | None, law: Law) -> Fraction:
    beyond = law.probability_at_least(high) if high is not None else Fraction(0)
    return law.probability_at_least(low) - beyond
