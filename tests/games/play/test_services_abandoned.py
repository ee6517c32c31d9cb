"""Abandoned bets: at step 0 the stake comes back, later the coefficient reached is paid."""

import pytest

from games.play.models import Bet, PlayerDay, Seeds, Transfer
from games.play.services.abandoned import close_abandoned_bets
from tests.games.play.playing import (
    balance,
    cash,
    deal_free_steps,
    expire,
    make_caller,
    placed,
    run_jobs,
    step,
)

pytestmark = pytest.mark.django_db

START_E4 = 10_000_000


@pytest.fixture
def caller():
    return make_caller()


def test_a_bet_without_a_step_is_refunded(caller):
    bet_id = placed(caller, "5.00")
    expire(bet_id)
    assert run_jobs() == 1
    bet = Bet.objects.get()
    assert (bet.state, bet.ended_by, bet.result, bet.payout_e4) == ("refunded", "abandoned", "", None)
    assert set(Transfer.objects.filter(bet_id=bet_id).values_list("kind", "amount_e4")) == {
        ("place", 50_000),
        ("refund", 50_000),
    }
    assert balance(caller) == START_E4
    day = PlayerDay.objects.get()
    assert (day.staked_e4, day.returned_e4) == (0, 0)


def test_a_bet_with_steps_is_cashed_out_at_the_coefficient_reached(caller):
    deal_free_steps(caller, "EASY", 3)
    bet_id = placed(caller, "5.00")
    for number in (1, 2, 3):
        step(caller, bet_id, number)
    expire(bet_id)
    assert run_jobs() == 1
    bet = Bet.objects.get()
    payout_e4 = 50_000 * bet.coefficient(3) // 100
    assert (bet.state, bet.ended_by, bet.result, bet.payout_e4, bet.step) == (
        *("won", "abandoned", "won"),
        *(payout_e4, 3),
    )
    assert balance(caller) == START_E4 - 50_000 + payout_e4


def test_time_played_ends_with_the_players_last_action(caller):
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    expire(bet_id)
    run_jobs()
    bet = Bet.objects.get()
    assert bet.last_action_at < bet.ended_at
    assert PlayerDay.objects.get().played_ms == (bet.last_action_at - bet.placed_at).total_seconds() * 1000


def test_its_seed_is_revealed_and_replaced(caller):
    bet_id = placed(caller)
    commitment = Seeds.objects.get().commitment
    expire(bet_id)
    run_jobs()
    assert (len(Bet.objects.get().server_seed), len(Bet.objects.get().hazards)) == (64, 3)
    assert (Seeds.objects.get().nonce, Seeds.objects.get().commitment != commitment) == (1, True)


def test_a_bet_within_its_time_is_left_alone(caller):
    placed(caller)
    assert run_jobs() == 0
    assert Bet.objects.get().state == "placed"


def test_an_action_renews_the_time(caller):
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    expire(bet_id)
    expired_at = Bet.objects.get().expires_at
    step(caller, bet_id, 1)
    assert Bet.objects.get().expires_at > expired_at


def test_a_cashed_out_bet_is_not_closed_again(caller):
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    expire(bet_id)
    cash(caller, bet_id)
    assert run_jobs() == 0
    assert Bet.objects.get().ended_by == "cash_out"


def test_one_bet_that_cannot_be_closed_does_not_keep_the_others(caller, caplog):
    bet_id, other_id = placed(caller), placed(make_caller("grace"))
    Bet.objects.filter(pk=bet_id).update(encrypted_seed="damaged")
    for one in (bet_id, other_id):
        expire(one)
    assert run_jobs() == 1
    assert Bet.objects.get(pk=bet_id).state == "placed"
    assert f"Bet {bet_id}: not closed: seeds_unavailable" in caplog.text


def test_a_run_closes_so_many_at_most(caller):
    for name in ("ada", "grace", "edsger"):
        expire(placed(make_caller(name)))
    assert close_abandoned_bets(limit=2) == 2
    assert Bet.objects.filter(state="placed").count() == 1
