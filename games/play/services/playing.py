"""Playing an open bet: steps and the cash-out."""

from datetime import datetime

from games.play.callers import Caller
from games.play.errors import InvalidStepSequence, NoActiveSession, NothingToCashOut
from games.play.models import Bet, EndedBy, Result, State
from games.play.selectors.configuration import session_ttl
from games.play.services import idempotency
from games.play.services.answers import cash_out_answer
from games.play.services.endings import lose, win
from games.play.services.idempotency import AlreadyAnswered, Answer, RequestKey
from games.play.services.seeds import draw_hazards
from games.play.services.transitions import lock_bet, update
from games.play.services.wallet_calls import Claim, carry_out
from games.play.wallets import wallet_of


def take_step(*, caller: Caller, bet_id: int, step: int) -> Bet:
    """Take a step and return the bet. A repeated step returns it as it is, so a lost reply loses nothing.

    Raise NotFound, NoActiveSession, InvalidStepSequence or SeedsUnavailable.
    """
    return carry_out(wallet_of(caller.agent), lambda: _claim_step(caller, bet_id, step))


def cash_out(*, caller: Caller, bet_id: int, request: RequestKey) -> Answer:
    """Cash out at the coefficient reached. A bet that is won already answers with its outcome.

    The answer is that of the claim, which waits for no settlement.

    Raise NotFound, NoActiveSession, NothingToCashOut or SeedsUnavailable.
    """
    answers: list[Answer] = []

    def report(bet: Bet) -> None:
        answers.append(cash_out_answer(bet))
        idempotency.complete(request, answers[0])

    try:
        carry_out(wallet_of(caller.agent), lambda: _claim_cash_out(caller, bet_id, request), report)
    except AlreadyAnswered as repeated:
        return repeated.answer
    return answers[0]


def _claim_step(caller: Caller, bet_id: int, step: int) -> Claim:
    bet, now = lock_bet(bet_id, caller)
    if bet.state != State.PLACED:
        if step == bet.ended_at_step:
            return Claim(bet, calls_wallet=False)
        raise NoActiveSession(bet=bet)
    if step == bet.step and step:
        return Claim(bet, calls_wallet=False)
    if step != bet.step + 1:
        raise InvalidStepSequence(bet=bet)
    _, hazards = draw_hazards(bet)
    if step in hazards:
        return Claim(bet, calls_wallet=lose(bet, now=now, step=step))
    if step == bet.last_step:
        return Claim(bet, calls_wallet=_reach_last_step(bet, step, now))
    _advance(bet, step, now)
    return Claim(bet, calls_wallet=False)


def _reach_last_step(bet: Bet, step: int, now: datetime) -> bool:
    """Take the last step on offer and cash out in one UPDATE."""
    before = {"step": step - 1}
    return win(
        bet, now=now, ended_by=EndedBy.LAST_STEP, step=step, where=before, ended_at_step=step, last_action_at=now
    )


def _advance(bet: Bet, step: int, now: datetime) -> None:
    """Take a step that is no hazard, and let the bet's time begin again."""
    expires_at = now + session_ttl()
    before = {"state": State.PLACED, "step": step - 1}
    update(bet, where=before, step=step, last_action_at=now, expires_at=expires_at)


def _claim_cash_out(caller: Caller, bet_id: int, request: RequestKey) -> Claim:
    bet, now = lock_bet(bet_id, caller)
    idempotency.check_unanswered(request)
    if bet.result == Result.WON:
        return Claim(bet, calls_wallet=False)
    if bet.state != State.PLACED:
        raise NoActiveSession(bet=bet)
    if not bet.step:
        raise NothingToCashOut(bet=bet)
    idempotency.begin(request, bet_id=bet.pk)
    claimed = win(bet, now=now, ended_by=EndedBy.CASH_OUT, step=bet.step, where={"step": bet.step}, last_action_at=now)
    return Claim(bet, calls_wallet=claimed)
