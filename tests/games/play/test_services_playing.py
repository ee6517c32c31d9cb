"""Steps and cash-outs."""

import pytest

from games.play import draw, errors
from games.play.difficulties import LANES
from games.play.models import Bet, GameConfig, IdempotentRequest, PlayerDay, Seeds, Transfer
from tests.games.play.playing import (
    balance,
    cash,
    deal,
    deal_free_steps,
    deal_hazard_at,
    make_agent,
    make_caller,
    placed,
    step,
)

pytestmark = pytest.mark.django_db

START_E4 = 10_000_000


@pytest.fixture
def caller():
    return make_caller()


def kinds(bet_id: int) -> dict[str, int]:
    return dict(Transfer.objects.filter(bet_id=bet_id).values_list("kind", "amount_e4"))


def test_a_step_that_is_no_hazard_goes_on(caller):
    deal_free_steps(caller, "EASY", 2)
    bet_id = placed(caller)
    bet = step(caller, bet_id, 1)
    stored = Bet.objects.get()
    assert (bet.step, bet.state, stored.step, stored.state) == (1, "placed", 1, "placed")
    assert stored.last_action_at > stored.placed_at
    assert (stored.expires_at - stored.last_action_at).total_seconds() == 3600
    assert (stored.hazards, stored.server_seed) == (None, "")


def test_the_time_after_an_action_is_configured(caller):
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    GameConfig.objects.create(key="game.session.ttl", value=60)
    bet = step(caller, bet_id, 1)
    assert (bet.expires_at - bet.last_action_at).total_seconds() == 60


def test_a_hazard_ends_the_bet_and_the_stake_goes_to_the_house(caller):
    hazards = deal_hazard_at(caller, "EASY", 2)
    commitment = Seeds.objects.get().commitment
    bet_id = placed(caller, "2.00")
    step(caller, bet_id, 1)
    step(caller, bet_id, 2)
    bet = Bet.objects.get()
    assert (bet.state, bet.result, bet.payout_e4, bet.step, bet.ended_at_step, bet.ended_by) == (
        *("lost", "lost", 0),
        *(1, 2, "hazard"),
    )
    assert (bet.hazards, bet.first_hazard, bet.encrypted_seed) == (list(hazards), 2, "")
    assert draw.commitment_of(bet.server_seed) == commitment
    assert kinds(bet_id) == {"place": 20_000, "loss": 20_000}
    assert balance(caller) == START_E4 - 20_000


def test_a_cash_out_pays_exactly_the_coefficient_that_was_shown(caller):
    deal_free_steps(caller, "MEDIUM", 3)
    bet_id = placed(caller, "0.01", "MEDIUM")
    for number in (1, 2, 3):
        bet = step(caller, bet_id, number)
    shown = bet.coefficient(3)
    answer = cash(caller, bet_id)
    bet = Bet.objects.get()
    assert (answer.status, answer.body["state"], answer.body["result"]) == (200, "won", "won")
    assert (bet.state, bet.ended_by, bet.ended_at_step, bet.payout_e4) == ("won", "cash_out", None, shown)
    assert kinds(bet_id) == {"place": 100, "stake_return": 100, "win": shown - 100}
    assert balance(caller) == START_E4 + shown - 100
    assert answer.body["win_amount"] == f"0.0{shown}"
    assert answer.body["hazards"] == bet.hazards


def test_the_last_step_on_offer_cashes_out_by_itself(caller):
    """A bet of 150.00 on DAREDEVIL ends at step 6 with 5,967.00."""
    deal_free_steps(caller, "DAREDEVIL", 6)
    bet_id = placed(caller, "150.00", "DAREDEVIL")
    for number in range(1, 7):
        bet = step(caller, bet_id, number)
    assert (bet.state, bet.ended_by, bet.step, bet.ended_at_step, bet.payout_e4) == (
        *("won", "last_step"),
        *(6, 6, 59_670_000),
    )
    assert balance(caller) == START_E4 - 1_500_000 + 59_670_000


def test_a_hazard_on_the_last_step_on_offer_loses(caller):
    deal_hazard_at(caller, "DAREDEVIL", 6)
    bet_id = placed(caller, "150.00", "DAREDEVIL")
    for number in range(1, 7):
        bet = step(caller, bet_id, number)
    assert (bet.state, bet.step, bet.ended_at_step) == ("lost", 5, 6)


def test_the_whole_ladder_can_be_climbed(caller):
    lane = LANES["EASY"]
    deal(caller, "DAREDEVIL", lambda hazards: hazards[0] >= 12)
    bet_id = placed(caller, "0.01", "DAREDEVIL")
    for number in range(1, 12):
        bet = step(caller, bet_id, number)
    assert (bet.state, bet.payout_e4, lane.steps) == ("won", 3_150_576, 27)


def test_repeating_the_step_that_was_just_accepted_changes_nothing(caller):
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    first = step(caller, bet_id, 1)
    before = Bet.objects.values().get()
    assert step(caller, bet_id, 1).step == first.step
    assert Bet.objects.values().get() == before


def test_repeating_the_step_that_ended_the_bet_has_its_outcome_again(caller):
    deal_hazard_at(caller, "EASY", 1)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    before = balance(caller)
    assert step(caller, bet_id, 1).state == "lost"
    assert (balance(caller), Transfer.objects.filter(bet_id=bet_id).count()) == (before, 2)


@pytest.mark.parametrize("number", [-1, 0, 1, 4, 5, 2**62])
def test_any_other_number_is_refused(caller, number):
    deal_free_steps(caller, "EASY", 2)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    step(caller, bet_id, 2)
    before = Bet.objects.values().get()
    with pytest.raises(errors.InvalidStepSequence) as refusal:
        step(caller, bet_id, number)
    assert (refusal.value.code, refusal.value.bet.pk) == ("invalid_step_sequence", bet_id)
    assert Bet.objects.values().get() == before


def test_any_other_step_of_an_ended_bet_is_refused(caller):
    deal_free_steps(caller, "EASY", 3)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    cash(caller, bet_id)
    for number in (1, 2):
        with pytest.raises(errors.NoActiveSession):
            step(caller, bet_id, number)


def test_cashing_out_needs_a_step(caller):
    bet_id = placed(caller)
    with pytest.raises(errors.NothingToCashOut):
        cash(caller, bet_id)
    assert IdempotentRequest.objects.count() == 1  # that of the bet


def test_a_cash_out_is_repeated_with_its_key_and_without(caller):
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    first = cash(caller, bet_id, key="k")
    before = balance(caller)
    again, other = cash(caller, bet_id, key="k"), cash(caller, bet_id, key="another")
    assert (again.body, again.replayed, other.body, other.replayed) == (first.body, True, first.body, False)
    assert balance(caller) == before
    assert kinds(bet_id).keys() == {"place", "stake_return", "win"}


def test_a_lost_bet_cannot_be_cashed_out(caller):
    deal_hazard_at(caller, "EASY", 1)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    with pytest.raises(errors.NoActiveSession) as refusal:
        cash(caller, bet_id)
    assert refusal.value.bet.state == "lost"


def test_a_bet_of_another_user_or_agent_does_not_exist(caller):
    make_agent("other")
    bet_id = placed(caller)
    for stranger in (make_caller("grace"), make_caller(agent="other")):
        with pytest.raises(errors.NotFound):
            step(stranger, bet_id, 1)
        with pytest.raises(errors.NotFound):
            cash(stranger, bet_id)
    assert Bet.objects.get().step == 0


def test_the_end_of_a_bet_brings_a_new_seed_and_the_next_nonce(caller):
    deal_hazard_at(caller, "EASY", 1)
    before = Seeds.objects.get()
    bet_id = placed(caller)
    assert Seeds.objects.get().commitment == before.commitment  # one seed serves the bet until its end
    step(caller, bet_id, 1)
    after = Seeds.objects.get()
    assert (after.nonce, after.client_seed, after.client_seed_set_at, after.commitment_shown_at) == (1, "", None, None)
    assert after.commitment not in (before.commitment, "")
    assert after.encrypted_seed != before.encrypted_seed


def test_nonces_count_the_bets_of_a_player_with_an_agent(caller):
    for _ in range(3):
        deal_hazard_at(caller, "EASY", 1)
        step(caller, placed(caller), 1)
    make_agent("other")
    placed(make_caller(agent="other"))
    assert list(Bet.objects.order_by("pk").values_list("agent__code", "nonce")) == [
        *(("house", number) for number in range(3)),
        ("other", 0),
    ]


def test_the_day_counts_stakes_returns_and_the_time_from_placing_to_the_last_action(caller):
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller, "2.00")
    step(caller, bet_id, 1)
    cash(caller, bet_id)
    bet, day = Bet.objects.get(), PlayerDay.objects.get()
    assert (day.currency, day.date, day.staked_e4, day.returned_e4) == ("FUN", bet.placed_at.date(), 20_000, 22_000)
    assert day.played_ms == (bet.last_action_at - bet.placed_at).total_seconds() * 1000


def test_a_seed_that_no_key_opens_stops_the_game_and_loses_nothing(caller, settings):
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    keys = settings.PLAY_SEED_KEYS
    settings.PLAY_SEED_KEYS = ["YW5vdGhlci1rZXktb25seS1mb3ItdGVzdHMtMDEyMzQ="]
    with pytest.raises(errors.SeedsUnavailable):
        step(caller, bet_id, 1)
    settings.PLAY_SEED_KEYS = keys
    assert step(caller, bet_id, 1).step == 1


def test_a_seed_that_is_not_the_committed_one_decides_nothing(caller):
    bet_id = placed(caller)
    other = make_caller("grace")
    Bet.objects.update(encrypted_seed=Seeds.objects.get(pk=deal_seeds(other)).encrypted_seed)
    with pytest.raises(errors.SeedsUnavailable):
        step(caller, bet_id, 1)


def deal_seeds(caller) -> int:
    deal_free_steps(caller, "EASY", 1)
    return Seeds.objects.get(user=caller.user).pk
