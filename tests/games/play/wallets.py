"""A wallet outside of the database, whose outcomes a test gives."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.models import User
from django.db import connection

from games.play.models import Bet, WalletKind
from games.play.wallets import WALLETS
from games.play.wallets.gateway import Accepted, Outcome


class ScriptedWallet:
    """Answers as it is told, in order, and accepts what it is not told about. It notes every call."""

    joins_transaction = False

    def __init__(self) -> None:
        self.outcomes: deque[Outcome] = deque()
        self.calls: list[tuple[str, str, int]] = []

    def place(self, bet: Bet) -> Outcome:
        return self._called("place", bet, bet.stake_e4)

    def settle(self, bet: Bet) -> Outcome:
        return self._called("settle", bet, bet.payout_e4 or 0)

    def refund(self, bet: Bet) -> Outcome:
        return self._called("refund", bet, bet.stake_e4)

    def balance(self, user: User, currency: str) -> Outcome:
        return Accepted(0)

    def _called(self, action: str, bet: Bet, amount_e4: int) -> Outcome:
        assert not connection.in_atomic_block, "a call outside must not wait inside of a transaction"
        self.calls.append((action, bet.transaction_id, amount_e4))
        return self.outcomes.popleft() if self.outcomes else Accepted()


@contextmanager
def scripted_wallet() -> Iterator[ScriptedWallet]:
    """Let the agents of the ledger have a scripted wallet within the block."""
    ledger, scripted = WALLETS[WalletKind.LEDGER], ScriptedWallet()
    WALLETS[WalletKind.LEDGER] = scripted
    try:
        yield scripted
    finally:
        WALLETS[WalletKind.LEDGER] = ledger
