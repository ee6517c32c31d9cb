"""A wallet outside of the database: claims are committed before its calls, and an unknown outcome is never a bet."""

import pytest
from django.db import transaction

from games.play import errors
from games.play.models import Bet, EndedBy, IdempotentRequest, PlayerDay, Seeds, State
from games.play.services.endings import end_play
from games.play.services.seeds import show_seeds
from games.play.services.transitions import lock_bet
from games.play.services.wallet_calls import store_outcome
from games.play.wallets.gateway import Accepted, Refused, Unknown
from tests.games.play.playing import (
    cash,
    deal_free_steps,
    deal_hazard_at,
    expire,
    make_caller,
    place,
    placed,
    run_jobs,
    step,
)
from tests.games.play.wallets import scripted_wallet

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = Unknown("time-out")


@pytest.fixture
def caller():
    return make_caller()


@pytest.fixture
def wallet():
    with scripted_wallet() as wallet:
        yield wallet


def won_bet(caller) -> int:
    """Place a bet and take one step."""
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    return bet_id


def test_place_and_settle_are_called_once_each_with_the_bets_transaction_id(caller, wallet):
    bet_id = won_bet(caller)
    answer = cash(caller, bet_id)
    bet = Bet.objects.get()
    assert wallet.calls == [("place", bet.transaction_id, 10_000), ("settle", bet.transaction_id, 11_000)]
    assert bet.state == "won"
    assert answer.body["state"] == "settling"  # the answer is that of the claim


def test_a_lost_bet_is_settled_with_nothing(caller, wallet):
    deal_hazard_at(caller, "EASY", 1)
    bet = step(caller, placed(caller), 1)
    assert wallet.calls[-1] == ("settle", bet.transaction_id, 0)
    assert Bet.objects.get().state == "lost"


def test_a_stake_that_the_wallet_refuses_is_the_agents_refusal(caller, wallet):
    wallet.outcomes.append(Refused("1004"))
    answer = place(caller, key="k")
    bet = Bet.objects.get()
    assert (answer.status, answer.body["code"], bet.state, bet.refusal) == (409, "agent_rejected", "refused", "1004")
    assert (place(caller, key="k").body, len(wallet.calls)) == (answer.body, 1)


def test_an_unknown_stake_is_cancelled_and_the_answer_says_so(caller, wallet):
    wallet.outcomes.append(UNKNOWN)
    commitment = show_seeds(caller=caller).commitment
    answer = place(caller, key="k")
    bet = Bet.objects.get()
    assert (answer.status, answer.body["code"]) == (502, "wallet_outcome_unknown")
    assert (bet.state, bet.ended_by, len(bet.hazards)) == ("cancelling", "not_placed", 3)
    assert PlayerDay.objects.get().staked_e4 == 0
    assert Seeds.objects.get().commitment != commitment
    assert place(caller, key="k").body == answer.body


def test_an_accepted_stake_of_a_bet_that_a_job_cancelled_meanwhile_is_no_bet(caller, wallet):
    def place_slowly(bet):
        with transaction.atomic():
            locked, now = lock_bet(bet.pk)
            assert end_play(locked, State.CANCELLING, now=now, ended_by=EndedBy.NOT_PLACED)
        return Accepted()

    wallet.place = place_slowly
    answer = place(caller)
    assert (answer.status, answer.body["code"]) == (502, "wallet_outcome_unknown")
    assert Bet.objects.get().state == "cancelling"
    assert IdempotentRequest.objects.get().status == 502


def test_an_unknown_settlement_keeps_its_state_and_the_player_plays_on(caller, wallet):
    bet_id = won_bet(caller)
    wallet.outcomes.append(UNKNOWN)
    answer = cash(caller, bet_id, key="k")
    first = Bet.objects.get()
    assert (answer.status, first.state, first.result, first.payout_e4) == (200, "settling", "won", 11_000)
    second = Bet.objects.get(pk=placed(caller))
    assert (second.commitment != first.commitment, second.nonce) == (True, first.nonce + 1)


def test_nothing_of_the_next_bet_becomes_visible_when_the_one_before_is_settled(caller, wallet):
    bet_id = won_bet(caller)
    wallet.outcomes.append(UNKNOWN)
    cash(caller, bet_id)
    second_id = placed(caller)
    before, seeds = Bet.objects.filter(pk=second_id).values().get(), Seeds.objects.values().get()
    store_outcome(Bet.objects.get(pk=bet_id), Accepted())  # as a retry will
    assert Bet.objects.get(pk=bet_id).state == "won"
    assert Bet.objects.filter(pk=second_id).values().get() == before
    assert (before["server_seed"], before["hazards"], before["state"]) == ("", None, "placed")
    assert Seeds.objects.values().get() == seeds


def test_a_settlement_that_the_wallet_refuses_for_good_is_reported(caller, wallet, caplog):
    bet_id = won_bet(caller)
    wallet.outcomes.append(Refused("1002"))
    cash(caller, bet_id)
    bet = Bet.objects.get()
    assert (bet.state, bet.failed_action, bet.result) == ("settlement_failed", "settling", "won")
    assert f"Bet {bet_id}: the wallet refused settling: 1002" in caplog.text


def test_a_repeated_step_or_cash_out_does_not_call_the_wallet_again(caller, wallet):
    bet_id = won_bet(caller)
    wallet.outcomes.append(UNKNOWN)
    cash(caller, bet_id, key="k")
    calls = len(wallet.calls)
    cash(caller, bet_id, key="k")
    cash(caller, bet_id, key="another")
    with pytest.raises(errors.NoActiveSession):
        step(caller, bet_id, 1)
    assert len(wallet.calls) == calls


def test_an_abandoned_bet_is_refunded_through_the_wallet(caller, wallet):
    bet_id = placed(caller)
    expire(bet_id)
    assert run_jobs() == 1
    bet = Bet.objects.get()
    assert (wallet.calls[-1], bet.state) == (("refund", bet.transaction_id, 10_000), "refunded")
