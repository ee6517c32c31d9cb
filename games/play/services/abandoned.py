"""Bets that their players have left: a disconnect never costs what was won.

A bet without a step is refunded. A bet with steps is cashed out at the coefficient reached. Each claim repeats its
conditions in the UPDATE, so that nothing is decided by an earlier read.
"""

import logging

from games.play.clock import database_now
from games.play.errors import PlayError
from games.play.models import Bet, EndedBy, State
from games.play.services.endings import end_play, win
from games.play.services.transitions import lock_bet
from games.play.services.wallet_calls import Claim, carry_out
from games.play.wallets import wallet_of

logger = logging.getLogger(__name__)

BATCH = 500


def close_abandoned_bets(limit: int = BATCH) -> int:
    """Close bets whose time is over, the oldest first. Return how many were closed."""
    expired = Bet.objects.filter(state=State.PLACED, expires_at__lte=database_now()).select_related("agent")
    bets = list(expired.order_by("expires_at")[:limit])
    return sum(_close(bet) for bet in bets)


def _close(found: Bet) -> bool:
    """Close one bet. Return False if it is no longer abandoned, or cannot be closed before the next run."""
    try:
        carry_out(wallet_of(found.agent), lambda: _claim(found))
    except NotAbandoned:
        return False
    except PlayError as error:
        logger.error("Bet %s: not closed: %s", found.pk, error.code)
        return False
    return True


class NotAbandoned(Exception):
    """The player acted after the bet was found, or another run was first."""


def _claim(found: Bet) -> Claim:
    bet, now = lock_bet(found.pk)
    if bet.state != State.PLACED or bet.step != found.step:
        raise NotAbandoned
    where = {"step": bet.step, "expires_at__lte": now}
    if bet.step:
        claimed = win(bet, now=now, ended_by=EndedBy.ABANDONED, step=bet.step, where=where)
    else:
        claimed = end_play(bet, State.REFUNDING, now=now, ended_by=EndedBy.ABANDONED, where=where)
    if not claimed:
        raise NotAbandoned
    return Claim(bet)
