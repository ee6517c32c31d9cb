"""The one way to change the state of a bet."""

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F

from games.play.callers import Caller
from games.play.clock import DatabaseNow
from games.play.errors import NotFound
from games.play.models import TRANSITIONS, Bet, State
from games.times import to_milliseconds


class LockedBet(NamedTuple):
    """A bet whose row is locked until the transaction ends, and the database's time."""

    bet: Bet
    now: datetime


def lock_bet(bet_id: int, caller: Caller | None = None) -> LockedBet:
    """Lock a bet: the caller's, or without a caller any. Raise NotFound if there is none."""
    own = {} if caller is None else {"user": caller.user, "agent": caller.agent}
    bets: Any = Bet.objects.select_for_update(of=("self",), no_key=True).select_related("agent", "user")
    bet = bets.annotate(now=DatabaseNow()).filter(pk=bet_id, **own).first()
    if bet is None:
        raise NotFound
    return LockedBet(bet, to_milliseconds(bet.now))


def move(bet: Bet, to: State, *, where: dict[str, Any] | None = None, **values: Any) -> bool:
    """Claim a transition by one conditional UPDATE. Return False if another transaction was first.

    Raise ValueError if the rules know no such transition; a CHECK of the database says the same.
    """
    if to not in TRANSITIONS.get(State(bet.state), ()):
        raise ValueError(f"Bet {bet.pk} cannot go from {bet.state} to {to}.")
    failed_action = {to: bet.state, bet.state: to}.get(State.SETTLEMENT_FAILED, "")
    changes = {"previous_state": bet.state, "state": to, "failed_action": failed_action, **values}
    return update(bet, where={"state": bet.state, **(where or {})}, **changes)


def update(bet: Bet, *, where: dict[str, Any], **changes: Any) -> bool:
    """Change a bet where its row still fulfils `where`. Return False if it does not."""
    changed = Bet.objects.filter(pk=bet.pk, **where).update(**changes, action_seq=F("action_seq") + 1)
    if changed:
        for name, value in changes.items():
            setattr(bet, name, value)
        bet.action_seq += 1
    return bool(changed)
