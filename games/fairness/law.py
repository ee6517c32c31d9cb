"""The exact distribution of the crash point. It does not depend on history: no drought raises a chance."""

from dataclasses import dataclass
from fractions import Fraction

from games.fairness.formulas import FORMULAS, require_site


@dataclass(frozen=True, slots=True)
class Law:
    """P(X >= k / 100) = 99 / k for whole k > 100, with a house edge of 1 percent.

    That is the distribution of floor(99 / (1 - U)) for U uniform in [0, 1). The sites' U has 52 bits and is rounded
    to 9 digits at BC.Game, which changes no probability by more than 1e-9.
    Source: the formula itself; recorded games agree (chi-square over 107,742 rounds: p = 0.55).
    """

    edge_percent: int

    def probability_at_least(self, hundredths: int) -> Fraction:
        """Return P(X >= hundredths / 100)."""
        return Fraction(1) if hundredths <= 100 else Fraction(100 - self.edge_percent, hundredths)

    def probability_at_most(self, hundredths: int) -> Fraction:
        """Return P(X <= hundredths / 100)."""
        return 1 - self.probability_at_least(hundredths + 1)

    def probability_floor(self, whole: int) -> Fraction:
        """Return P(floor(X) = whole). For example, `whole` 2 means 2.00x to 2.99x."""
        return self.probability_at_least(100 * whole) - self.probability_at_least(100 * (whole + 1))


def law_for(site: str) -> Law:
    """Return the law of a site, which is the same in all its eras. Raises ValueError for an unknown site."""
    require_site(site)
    return Law(next(row.edge_percent for row in reversed(FORMULAS) if row.site == site))
