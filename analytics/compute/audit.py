"""The fit of recorded games to the site's law, and the gaps between them. Pure: columns in, dataclasses out.

Goodness of fit never replaces hash verification: at 90,000 games two different laws both pass. The mean is never tested
because it is infinite.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from analytics.columns import Columns
from analytics.compute.distribution import Bin

MIN_EXPECTED = 5  # games in a bin; below it the chi-square distribution does not hold (Cochran 1954)


@dataclass(frozen=True, slots=True)
class Fit:
    """Pearson's chi-square of the bins against the law; bins that expect too few games are joined with the next lower.

    `p_value`: how often a fair site shows a fit this bad or worse. All None with too few games for two bins.
    """

    chi_square: float | None
    degrees_of_freedom: int | None
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Ids from `first` to `last` without a record."""

    first: int
    last: int

    @property
    def games(self) -> int:
        return self.last - self.first + 1


def fit(bins: Sequence[Bin]) -> Fit:
    games = sum(one.count for one in bins)
    observed, expected = _merge_small_bins(
        [one.count for one in bins], [float(one.probability) * games for one in bins]
    )
    if len(observed) < 2:
        return Fit(None, None, None)
    # What scipy.stats.chisquare computes, to the last digit; importing scipy.stats costs every process 45 MB and 2 s.
    chi_square = float(((np.array(observed) - np.array(expected)) ** 2 / np.array(expected)).sum())
    degrees_of_freedom = len(observed) - 1
    return Fit(chi_square, degrees_of_freedom, float(chdtrc(degrees_of_freedom, chi_square)))


def gaps(columns: Columns) -> list[Gap]:
    """Return the gaps between the recorded ids, newest first."""
    before = np.flatnonzero(np.diff(columns.ids) > 1)[::-1]
    ends = zip(columns.ids[before].tolist(), columns.ids[before + 1].tolist(), strict=True)
    return [Gap(earlier + 1, later - 1) for earlier, later in ends]


def _merge_small_bins(observed: Sequence[int], expected: Sequence[float]) -> tuple[list[int], list[float]]:
    """Join a bin that expects fewer than MIN_EXPECTED games with the next lower one."""
    merged_observed: list[int] = []
    merged_expected: list[float] = []
    for count, expectation in zip(observed, expected, strict=True):
        if merged_observed and (expectation < MIN_EXPECTED or merged_expected[-1] < MIN_EXPECTED):
            merged_observed[-1] += count
            merged_expected[-1] += expectation
        else:
            merged_observed.append(count)
            merged_expected.append(expectation)
    return merged_observed, merged_expected
