"""The currencies that a bet can have, with the limits that a new agent begins with."""

from typing import NamedTuple

from games.play.money import UNIT_E4


class Currency(NamedTuple):
    """A bet has at most `decimals` decimals. Two are the most there are: a payout is exact because of it."""

    decimals: int
    min_bet_e4: int
    max_bet_e4: int
    max_win_e4: int


_TWO_DECIMALS = Currency(decimals=2, min_bet_e4=UNIT_E4 // 100, max_bet_e4=150 * UNIT_E4, max_win_e4=10_000 * UNIT_E4)

FUN = "FUN"  # play money: only this currency has a start balance and a top-up
CURRENCIES = {
    FUN: _TWO_DECIMALS,
    "INR": _TWO_DECIMALS,
    "USD": _TWO_DECIMALS,
    "JPY": Currency(decimals=0, min_bet_e4=UNIT_E4, max_bet_e4=15_000 * UNIT_E4, max_win_e4=1_000_000 * UNIT_E4),
}
