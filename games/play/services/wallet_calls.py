"""Claim, call, outcome: the three parts of every movement of money.

The claim is committed before money moves. A wallet that joins the transaction makes claim and outcome one; any other
wallet is called between two transactions, so that no transaction waits for a network.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from django.db import transaction

from games.play.clock import database_now
from games.play.models import Bet, EndedBy, Result, State
from games.play.services.endings import end_play
from games.play.services.transitions import move
from games.play.wallets.gateway import Accepted, Outcome, Refused, Wallet

logger = logging.getLogger(__name__)


class Claim(NamedTuple):
    """A bet after a claim. `calls_wallet` is True if this claim, and no earlier one, requires the wallet."""

    bet: Bet
    calls_wallet: bool = True


def carry_out(wallet: Wallet, claim: Callable[[], Claim], report: Callable[[Bet], None] = lambda bet: None) -> Bet:
    """Run a claim, call the wallet if the claim requires it, and store the outcome.

    `report` runs at the end of each of the transactions, such as to store the answer of a request.
    """
    with transaction.atomic():
        bet, calls_wallet = claim()
        if calls_wallet and wallet.joins_transaction:
            store_outcome(bet, call(wallet, bet))
        report(bet)
    if calls_wallet and not wallet.joins_transaction:
        outcome = call(wallet, bet)
        with transaction.atomic():
            store_outcome(bet, outcome)
            report(bet)
    return bet


def call(wallet: Wallet, bet: Bet) -> Outcome:
    """Call the wallet for what the bet's state requires."""
    calls = {State.PLACING: wallet.place, State.SETTLING: wallet.settle, State.REFUNDING: wallet.refund}
    return calls[State(bet.state)](bet)


def store_outcome(bet: Bet, outcome: Outcome) -> None:
    """Move the bet to the state that the wallet's outcome gives.

    An unknown stake is never a bet: it is cancelled. After an unknown settlement or refund the bet keeps its state,
    and the same call is repeated later.
    """
    if bet.state == State.PLACING:
        _store_placing(bet, outcome)
    elif isinstance(outcome, Accepted):
        done = {Result.WON: State.WON, Result.LOST: State.LOST}.get(Result(bet.result)) if bet.result else None
        move(bet, done or State.REFUNDED, settled_at=database_now())
    elif isinstance(outcome, Refused):
        logger.error("Bet %s: the wallet refused %s: %s", bet.pk, bet.state, outcome.code)
        move(bet, State.SETTLEMENT_FAILED)
    else:
        logger.warning("Bet %s: the outcome of %s is unknown: %s", bet.pk, bet.state, outcome.reason)


def _store_placing(bet: Bet, outcome: Outcome) -> None:
    """Where a job has cancelled the bet meanwhile, the outcome of the stake no longer counts."""
    if isinstance(outcome, Accepted):
        claimed = move(bet, State.PLACED)
    elif isinstance(outcome, Refused):
        claimed = end_play(bet, State.REFUSED, now=database_now(), ended_by=EndedBy.NOT_PLACED, refusal=outcome.code)
    else:
        logger.warning("Bet %s: the outcome of placing is unknown: %s", bet.pk, outcome.reason)
        claimed = end_play(bet, State.CANCELLING, now=database_now(), ended_by=EndedBy.NOT_PLACED)
    if not claimed:
        bet.refresh_from_db()
