"""The ladder: the coefficient of each step in hundredths, its chance and its return.

The module is pure and uses integers and fractions only. With n columns and h hazards, step k is reached with chance
C(n-k, h) / C(n, h). The fair coefficient is its reciprocal. The house edge is taken off, then hundredths are cut.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import comb

from games.play.difficulties import Lane

MAX_RETURN = Fraction(1)
EDGE_DIGITS = 4  # decimals of the house edge


class InvalidLadder(ValueError):
    """A table of coefficients is not accepted. `step` is the first wrong one; None if the whole table is wrong."""

    def __init__(self, message: str, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


def ladder(lane: Lane, edge: Fraction) -> list[int]:
    """Return the coefficients in hundredths, step 1 first. `edge` has at most four decimals."""
    edge_e4 = edge * 10**EDGE_DIGITS
    if edge_e4.denominator != 1 or not 0 <= edge < 1:
        raise ValueError(f"The house edge must be at least 0, below 1 and have at most {EDGE_DIGITS} decimals.")
    kept_e4 = 10**EDGE_DIGITS - edge_e4.numerator
    all_sets = comb(lane.columns, lane.hazards)
    return [
        100 * kept_e4 * all_sets // (10**EDGE_DIGITS * _sets_beyond(lane, step)) for step in range(1, lane.steps + 1)
    ]


def reach_chance(lane: Lane, step: int) -> Fraction:
    """Return the chance that a game gets to `step` without meeting a hazard."""
    return Fraction(_sets_beyond(lane, step), comb(lane.columns, lane.hazards))


def step_chance(lane: Lane, step: int) -> Fraction:
    """Return the chance that `step` is no hazard, given that the steps before it were none."""
    remaining = lane.columns - step + 1
    return Fraction(remaining - lane.hazards, remaining)


def step_return(lane: Lane, step: int, coefficient_hundredths: int) -> Fraction:
    """Return the share of the stake that comes back on average to a player who always cashes out at `step`."""
    return Fraction(coefficient_hundredths, 100) * reach_chance(lane, step)


def check_ladder(lane: Lane, table: Sequence[int], min_return: Fraction) -> None:
    """Raise InvalidLadder unless a hand-written table fits the draw.

    It must have one coefficient per step, begin at 1.00 or above, rise strictly, and return from `min_return` to 1 at
    every step.
    """
    if len(table) != lane.steps:
        raise InvalidLadder(f"The table must have {lane.steps} coefficients, it has {len(table)}.")
    if table[0] < 100:
        raise InvalidLadder("Step 1: the coefficient must be at least 1.00.", 1)
    previous = 0
    for step, coefficient in enumerate(table, start=1):
        if coefficient <= previous:
            raise InvalidLadder(f"Step {step}: the coefficient must be above that of the step before.", step)
        returned = step_return(lane, step, coefficient)
        if not min_return <= returned <= MAX_RETURN:
            raise InvalidLadder(
                f"Step {step} returns {float(returned):.4f}; allowed is {float(min_return):.4f} to 1.", step
            )
        previous = coefficient


def last_step_on_offer(table: Sequence[int], stake_e4: int, max_win_e4: int) -> int:
    """Return the largest step whose payout is at most `max_win_e4`; 0 if even step 1 would exceed it."""
    return sum(stake_e4 * coefficient <= max_win_e4 * 100 for coefficient in table)


def payout_e4(stake_e4: int, coefficient_hundredths: int) -> int:
    """Return the exact payout. A stake has at most two decimals, a coefficient too, so nothing is rounded."""
    payout, rest = divmod(stake_e4 * coefficient_hundredths, 100)
    if rest:
        raise ValueError(f"A stake of {stake_e4} ten-thousandths has more than two decimals.")
    return payout


def format_coefficient(hundredths: int) -> str:
    """Return a coefficient as text: 110 is `1.10`."""
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _sets_beyond(lane: Lane, step: int) -> int:
    """Count the sets of hazards that lie beyond `step` as a whole."""
    return comb(lane.columns - step, lane.hazards)
