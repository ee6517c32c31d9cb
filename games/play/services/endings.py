"""The end of play on a bet: claim, reveal, rotate and count, all in one transaction."""

from datetime import datetime
from typing import Any

from games.play.ladder import payout_e4
from games.play.models import FINAL, Bet, EndedBy, Result, State
from games.play.services.days import count_result, take_back_stake
from games.play.services.seeds import draw_hazards, rotate_seeds
from games.play.services.transitions import move


def end_play(
    bet: Bet, to: State, *, now: datetime, ended_by: EndedBy, where: dict[str, Any] | None = None, **values: Any
) -> bool:
    """End play on an open bet. Return False, with nothing changed, if another transaction was first.

    Seed and hazards become public, the player's seeds rotate, and the day's row is brought up to date. Later states
    touch none of these: a bet placed meanwhile plays on the next seed. Raise SeedsUnavailable.
    """
    server_seed, hazards = draw_hazards(bet)
    settled_at = now if to in FINAL else None
    revealed = {"server_seed": server_seed, "encrypted_seed": "", "hazards": list(hazards), "first_hazard": hazards[0]}
    claimed = move(bet, to, where=where, ended_at=now, ended_by=ended_by, settled_at=settled_at, **revealed, **values)
    if not claimed:
        return False
    rotate_seeds(bet)
    count_result(bet)
    if not bet.result:
        take_back_stake(bet)
    return True


def win(bet: Bet, *, now: datetime, ended_by: EndedBy, step: int, **values: Any) -> bool:
    """Claim a cash-out at a step. It pays exactly the coefficient that was shown."""
    payout = payout_e4(bet.stake_e4, bet.coefficient(step))
    return end_play(
        bet, State.SETTLING, now=now, ended_by=ended_by, result=Result.WON, payout_e4=payout, step=step, **values
    )


def lose(bet: Bet, *, now: datetime, step: int) -> bool:
    """Claim the loss at a step that is a hazard. `bet.step` stays at the step before."""
    return end_play(
        bet,
        State.SETTLING,
        now=now,
        ended_by=EndedBy.HAZARD,
        where={"step": step - 1},
        result=Result.LOST,
        payout_e4=0,
        ended_at_step=step,
        last_action_at=now,
    )
