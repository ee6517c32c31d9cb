"""Placing a bet: what it stores, moves and counts, and what is refused without a trace."""

import pytest

from games.play import draw, errors
from games.play.models import (
    AgentCurrency,
    Bet,
    GameConfig,
    IdempotentRequest,
    PlayerDay,
    Seeds,
    Transfer,
)
from games.play.services.seeds import set_client_seed, show_seeds
from tests.games.play.playing import balance, deal_free_steps, make_agent, make_caller, place, placed, step

pytestmark = pytest.mark.django_db

CLIENT_SEED = "0123456789abcdef"


@pytest.fixture
def caller():
    return make_caller()


def traces():
    """Return everything that a refused bet must leave as it was."""
    tables = (Bet, Transfer, IdempotentRequest, PlayerDay)
    return [list(table.objects.order_by("pk").values()) for table in tables], list(Seeds.objects.values())


def refused(error, caller, *args, **order):
    show_seeds(caller=caller)
    before = traces()
    with pytest.raises(error) as refusal:
        place(caller, *args, **order)
    assert traces() == before
    return refusal.value


def test_a_bet_is_placed_with_everything_that_decides_it(caller):
    answer = place(caller, "2.50", "HARD")
    bet = Bet.objects.get()
    seeds = Seeds.objects.get()
    assert answer.status == 201
    assert (bet.state, bet.previous_state, bet.step) == ("placed", "placing", 0)
    assert (bet.stake_e4, bet.currency) == (25_000, "FUN")
    assert (bet.columns, bet.hazard_count, bet.table[0], bet.last_step) == (22, 5, 128, 15)
    assert (bet.commitment, bet.nonce, bet.encrypted_seed) == (seeds.commitment, 0, seeds.encrypted_seed)
    assert (bet.client_seed, bet.client_seed_by) == (draw.default_client_seed(bet.commitment, 0), "server")
    assert (bet.server_seed, bet.hazards, bet.first_hazard) == ("", None, None)
    assert (bet.expires_at - bet.placed_at).total_seconds() == 3600


def test_the_answer_is_the_session(caller):
    body = place(caller, "2.50", "HARD").body
    bet = Bet.objects.get()
    assert body == {
        "bet_id": bet.pk,
        "agent": "house",
        "state": "placed",
        "result": None,
        "currency": "FUN",
        "difficulty": "HARD",
        "bet_amount": "2.50",
        "step": 0,
        "ended_at_step": None,
        "ended_by": None,
        "last_step": 15,
        "coefficient": "1.00",
        "next_coefficient": "1.28",
        "win_amount": "0.00",
        "max_win": "10000.00",
        "hashed_server_seed": bet.commitment,
        "client_seed": bet.client_seed,
        "client_seed_by": "server",
        "nonce": 0,
        "expires_at": body["expires_at"],
        "time_played_s": 0,
        "staked_today": "2.50",
        "net_today": "-2.50",
        "hazards": None,
    }


def test_the_stake_moves_from_the_balance_to_the_stake_account(caller):
    bet_id = placed(caller, "2.50")
    assert balance(caller) == 9_975_000
    assert caller.user.play_accounts.get(kind="stake").balance_e4 == 25_000
    [transfer] = Transfer.objects.filter(bet_id=bet_id)
    assert (transfer.kind, transfer.amount_e4, transfer.debit.kind, transfer.credit.kind) == (
        *("place", 25_000),
        *("player", "stake"),
    )
    assert transfer.transaction_id == Bet.objects.get().transaction_id


def test_the_first_bet_opens_the_accounts_with_the_start_balance(caller):
    placed(caller)
    start = Transfer.objects.get(kind="start")
    assert (start.transaction_id, start.amount_e4) == (f"start:{caller.user.pk}", 10_000_000)
    assert (start.debit.kind, start.credit.kind) == ("mint", "player")


def test_a_client_seed_that_was_set_before_is_used(caller):
    show_seeds(caller=caller)
    set_client_seed(caller=caller, client_seed=CLIENT_SEED)
    placed(caller)
    bet = Bet.objects.get()
    assert (bet.client_seed, bet.client_seed_by) == (CLIENT_SEED, "player")
    assert bet.commitment_shown_at < bet.client_seed_set_at <= bet.placed_at


def test_a_client_seed_in_the_order_is_set_after_its_commitment(caller):
    commitment = show_seeds(caller=caller).commitment
    placed(caller, client_seed=CLIENT_SEED, commitment=commitment)
    bet = Bet.objects.get()
    assert (bet.client_seed, bet.client_seed_by) == (CLIENT_SEED, "player")
    assert bet.commitment_shown_at < bet.client_seed_set_at <= bet.placed_at


def test_a_commitment_that_is_not_the_current_one_is_refused(caller):
    error = refused(errors.CommitmentChanged, caller, client_seed=CLIENT_SEED, commitment="ab" * 32)
    assert (error.status, error.code) == (409, "commitment_changed")


def test_a_commitment_that_was_never_shown_cannot_be_named(caller):
    show_seeds(caller=caller)
    Seeds.objects.update(commitment_shown_at=None)
    with pytest.raises(errors.CommitmentChanged):
        place(caller, client_seed=CLIENT_SEED, commitment=Seeds.objects.get().commitment)
    assert not Bet.objects.exists()


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("0", "A bet must be from 0.01 to 150.00 FUN."),
        ("150.01", "A bet must be from 0.01 to 150.00 FUN."),
        ("0.001", "At most 2 decimals are allowed."),
        ("-1", "Expected an amount as text, such as 10 or 2.50."),
        ("1e400", "Expected an amount as text, such as 10 or 2.50."),
        ("NaN", "Expected an amount as text, such as 10 or 2.50."),
    ],
)
def test_an_amount_that_is_not_allowed_is_refused(caller, amount, reason):
    error = refused(errors.InvalidBetAmount, caller, amount)
    assert (error.status, error.code, error.errors) == (400, "invalid_bet_amount", {"amount": [reason]})


def test_a_currency_that_the_agent_does_not_offer_is_refused(caller):
    error = refused(errors.InvalidCurrency, caller, currency="INR")
    assert error.errors == {"currency": ["Expected one of FUN."]}


def test_a_bet_whose_first_step_exceeds_the_maximum_win_is_refused_before_the_debit(caller):
    AgentCurrency.objects.update(max_win_e4=1_090_000)
    error = refused(errors.InvalidBetAmount, caller, "100.00")
    assert error.errors == {"amount": ["The first step would pay more than the maximum win of 109.00 FUN."]}
    assert Bet.objects.count() == 0


def test_an_inactive_agent_takes_no_bets_but_open_ones_go_on():
    make_agent("other")
    caller = make_caller(agent="other")
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    caller.agent.active = False
    caller.agent.save()
    assert step(caller, bet_id, 1).step == 1
    assert refused(errors.AgentInactive, make_caller("grace", "other")).status == 403


def test_a_second_bet_is_refused_while_one_is_open(caller):
    bet_id = placed(caller)
    error = refused(errors.ActiveSessionExists, caller)
    assert (error.status, error.code, error.bet.pk) == (409, "active_session_exists", bet_id)


def test_a_bet_above_the_balance_is_refused_by_the_wallet_and_verifiable(caller):
    AgentCurrency.objects.update(max_bet_e4=20_000_000)
    commitment = show_seeds(caller=caller).commitment
    answer = place(caller, "1000.01")
    bet = Bet.objects.get()
    assert (answer.status, answer.body["code"]) == (409, "insufficient_balance")
    assert answer.body["session"]["state"] == "refused"
    assert (bet.state, bet.refusal, bet.ended_by, bet.commitment) == (
        *("refused", "insufficient_balance"),
        *("not_placed", commitment),
    )
    lane = {"columns": 30, "hazards": 3}
    assert list(draw.draw_hazards(bet.server_seed, bet.client_seed, bet.nonce, **lane)) == bet.hazards
    assert not Transfer.objects.filter(bet_id=bet.pk).exists()
    assert PlayerDay.objects.get().staked_e4 == 0
    seeds = Seeds.objects.get()
    assert (seeds.nonce, seeds.commitment != commitment) == (1, True)  # that seed has served its one bet


def test_a_refused_bet_changes_neither_seeds_nor_nonce_so_it_has_the_same_draw_again(caller):
    commitment = show_seeds(caller=caller).commitment
    refused(errors.InvalidBetAmount, caller, "0")
    placed(caller)
    assert (Bet.objects.get().commitment, Bet.objects.get().nonce) == (commitment, 0)


def test_a_later_change_of_the_configuration_changes_no_open_bet(caller):
    deal_free_steps(caller, "EASY", 2)
    bet_id = placed(caller)
    GameConfig.objects.create(key="houseEdge", value="0.05")
    bet = step(caller, bet_id, 1)
    assert (bet.coefficient(1), bet.coefficient(2)) == (110, 122)


def test_a_configuration_that_sql_made_invalid_takes_no_bets(caller):
    show_seeds(caller=caller)
    GameConfig.objects.create(key="houseEdge", value="0.5")
    assert refused(errors.InvalidStoredConfiguration, caller).status == 503


def test_without_a_key_for_the_seeds_no_bet_is_taken(caller, settings):
    settings.PLAY_SEED_KEYS = []
    with pytest.raises(errors.SeedsUnavailable):
        place(caller)
    assert not Bet.objects.exists()


def test_the_same_key_and_body_has_the_same_answer(caller):
    first = place(caller, key="k")
    again = place(caller, key="k")
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)
    assert Bet.objects.count() == 1


def test_a_wallets_refusal_is_stored_too(caller):
    AgentCurrency.objects.update(max_bet_e4=20_000_000)
    first = place(caller, "1000.01", key="k")
    again = place(caller, "1000.01", key="k")
    assert (again.status, again.body, again.replayed) == (409, first.body, True)
    assert Bet.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(caller):
    placed(caller, key="k")
    assert refused(errors.KeyReused, caller, "2.00", key="k").status == 422


def test_a_key_belongs_to_its_agent(caller):
    make_agent("other")
    placed(caller, key="k")
    with pytest.raises(errors.KeyReused):
        place(make_caller(agent="other"), key="k")


def test_a_key_of_a_request_that_runs_still_is_refused_with_a_time_to_wait(caller):
    placed(caller, key="k")
    IdempotentRequest.objects.update(status=None, body="")
    error = refused(errors.RequestInProgress, caller, key="k")
    assert (error.status, error.retry_after) == (409, 1)


def test_two_users_may_have_the_same_key(caller):
    placed(caller, key="k")
    placed(make_caller("grace"), key="k")
    assert Bet.objects.count() == 2
