"""The answers of calls that are stored with their Idempotency-Key, made from the bet alone.

A job that resolves a bet after its request was lost makes the same answer.
"""

from typing import Any

from games.play.errors import AgentRejected, InsufficientBalance, PlayError, WalletOutcomeUnknown
from games.play.models import Bet, State
from games.play.selectors.sessions import session_of
from games.play.serializers.errors import error_body
from games.play.serializers.sessions import SessionSerializer
from games.play.services.idempotency import Answer
from games.play.wallets.gateway import INSUFFICIENT_BALANCE


def session_body(bet: Bet) -> dict[str, Any]:
    return dict(SessionSerializer(session_of(bet)).data)


def placing_answer(bet: Bet) -> Answer | None:
    """Return the answer of the request that placed a bet; None while the wallet has not answered."""
    if bet.state == State.PLACING:
        return None
    if bet.state == State.PLACED:
        return Answer(201, session_body(bet))
    return error_answer(_refusal(bet))


def cash_out_answer(bet: Bet) -> Answer:
    return Answer(200, session_body(bet))


def error_answer(error: PlayError) -> Answer:
    return Answer(error.status, error_body(error))


def _refusal(bet: Bet) -> PlayError:
    if bet.state != State.REFUSED:
        return WalletOutcomeUnknown(bet=bet)
    return InsufficientBalance(bet=bet) if bet.refusal == INSUFFICIENT_BALANCE else AgentRejected(bet=bet)
