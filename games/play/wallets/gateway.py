"""The gateway to the wallet that holds a player's money. Every agent has a kind of wallet.

A call has one of three outcomes. `Unknown` means that the money may or may not have moved: the caller then repeats a
settlement or a refund with the same transaction id, and never treats an unknown stake as a bet.
"""

from dataclasses import dataclass
from typing import Protocol

from django.contrib.auth.models import User

from games.play.models import Bet


@dataclass(frozen=True, slots=True)
class Accepted:
    """The wallet did it, now or before. `balance_e4` is the balance if the wallet states it."""

    balance_e4: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The wallet will not do it. `code` is one word for programs."""

    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No usable answer. `reason` is for the log."""

    reason: str


Outcome = Accepted | Refused | Unknown

INSUFFICIENT_BALANCE = "insufficient_balance"


class Wallet(Protocol):
    """What a wallet does. No method raises for an answer or a lack of one: it returns an Outcome.

    `joins_transaction` is True if the money lies in this database. Place, settle and refund are then called inside the
    transaction that claims the bet; otherwise between two transactions, never inside one. All three carry the
    bet's transaction id, and a repeated call moves the money once.
    """

    joins_transaction: bool

    def place(self, bet: Bet) -> Outcome:
        """Take the stake from the player."""

    def settle(self, bet: Bet) -> Outcome:
        """Pay `bet.payout_e4`, which is 0 for a lost bet, and close the round."""

    def refund(self, bet: Bet) -> Outcome:
        """Give the stake back."""

    def balance(self, user: User, currency: str) -> Outcome:
        """Return the balance in Accepted."""
