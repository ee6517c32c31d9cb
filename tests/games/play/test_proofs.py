"""Real bets verify with the published script and with an independent implementation; changed ones do not."""

import io
import sys
from contextlib import redirect_stdout

import pytest

from games.play.models import Bet, EndedBy
from games.play.selectors.verification import verification_of
from games.play.services.seeds import set_client_seed, show_seeds
from tests.games.play import oracle
from tests.games.play.draws import DRAWS
from tests.games.play.playing import cash, expire, make_caller, placed, run_jobs, step
from tests.games.play.published_script import PAGE, SCRIPT

pytestmark = pytest.mark.django_db

BETS = max(100, DRAWS // 100)  # `make test-play-draws`: 1,000
DIFFICULTIES = ("EASY", "MEDIUM", "HARD", "DAREDEVIL")


def run_here(*arguments) -> tuple[str, list[int]]:
    """Run the page's script in this process, which is a thousand times quicker than in one of its own."""
    printed, before = io.StringIO(), sys.argv
    sys.argv = ["draw.py", *map(str, arguments)]
    try:
        with redirect_stdout(printed):
            exec(SCRIPT, {})  # noqa: S102 - the page's own text
    finally:
        sys.argv = before
    commitment, hazards = printed.getvalue().splitlines()
    return commitment.removeprefix("commitment: "), [int(one) for one in hazards.removeprefix("hazards: ").split()]


def play_one(number: int) -> None:
    """Play a bet to one of its ends: lost, cashed out, or left."""
    caller = make_caller("ada")
    show_seeds(caller=caller)
    if number % 2:
        set_client_seed(caller=caller, client_seed=f"{number:016x}")
    bet_id = placed(caller, "0.01", DIFFICULTIES[number % 4])
    for one in range(1, number % 4 + 1):
        if not step(caller, bet_id, one).is_open:
            return
    if number % 4 and number % 3:
        cash(caller, bet_id)
    else:
        expire(bet_id)
        run_jobs()


def test_every_ended_bet_verifies_with_the_script_of_the_page():
    for number in range(BETS):
        play_one(number)
    bets = list(Bet.objects.all())
    assert len(bets) == BETS
    assert {bet.ended_by for bet in bets} == {EndedBy.HAZARD, EndedBy.CASH_OUT, EndedBy.ABANDONED}
    assert len({bet.commitment for bet in bets}) == BETS  # one seed serves one bet
    for bet in bets:
        proof = verification_of(bet)
        seeds = (proof["server_seed"], proof["client_seed"], proof["nonce"])
        lane = (proof["columns"], proof["hazard_count"])
        assert run_here(*seeds, *lane) == (proof["hashed_server_seed"], proof["hazards"])
        assert oracle.hazards(*seeds, *lane) == proof["hazards"]
        assert proof["order"]["is_proven"] == (proof["client_seed_by"] == "player")
        decided(proof)
    assert "draw.py" in PAGE


def decided(proof) -> None:
    """Check that the hazards decided the bet: no step taken lies on one, and a loss does."""
    taken = range(1, proof["steps_taken"] + 1)
    assert not set(taken) & set(proof["hazards"])
    if proof["state"] == "lost":
        assert proof["ended_at_step"] in proof["hazards"]
    elif proof["state"] == "won":
        coefficient = proof["coefficients"][proof["steps_taken"] - 1]
        assert float(proof["win_amount"]) == pytest.approx(float(coefficient) * 0.01)
