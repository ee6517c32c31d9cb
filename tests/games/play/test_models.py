"""The database refuses what the rules of the game forbid."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from games.play.models import (
    HOUSE,
    TRANSITIONS,
    Account,
    AccountKind,
    Agent,
    AgentCurrency,
    Bet,
    GameConfig,
    IdempotentRequest,
    LimitKind,
    PlayerDay,
    PlayerLimit,
    Seeds,
    State,
    Transfer,
    TransferKind,
)
from tests.factories.play import ENDING, LOST, NOW, WON, make_bet, make_user

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
NOT_PLACED = {**ENDING, "ended_by": "not_placed"}
CASHED_OUT = {**WON, "previous_state": "placed", "state": "settling"}


def refused(constraint: str, make, *args, **values) -> None:
    """Check that the database refuses a row by this constraint. SQLite names no unique constraint."""
    with pytest.raises(IntegrityError, match=f"{constraint}|UNIQUE") as refusal, transaction.atomic():
        make(*args, **values)
    assert constraint in str(refusal.value) or "UNIQUE constraint failed" in str(refusal.value)


def legal_row(earlier: State, later: State) -> dict:
    """Return the values of a bet that has just gone from one state to the other."""
    values = {"previous_state": earlier, "state": later}
    if later in (State.SETTLING, State.WON) or (earlier, later) == (State.SETTLING, State.SETTLEMENT_FAILED):
        values |= WON
    elif later == State.LOST:
        values |= LOST
    elif later != State.PLACED:
        values |= NOT_PLACED
    if State.SETTLEMENT_FAILED in (earlier, later):
        values["failed_action"] = earlier if later == State.SETTLEMENT_FAILED else later
    if later in ("won", "lost", "refused", "cancelled", "refunded"):
        values["settled_at"] = NOW
    return values


LEGAL = [(earlier, later) for earlier, laters in TRANSITIONS.items() for later in laters]


@pytest.mark.parametrize(("earlier", "later"), LEGAL)
def test_a_legal_transition_is_accepted(earlier, later):
    assert make_bet(**legal_row(earlier, later)).pk


@pytest.mark.parametrize("earlier", ["", *State])
@pytest.mark.parametrize("later", State)
def test_every_other_transition_is_refused(earlier, later):
    if (earlier, later) in [*LEGAL, ("", State.PLACING)]:
        return
    reachable = next(one for one, another in LEGAL if another == later) if later != State.PLACING else ""
    row = legal_row(reachable, later) if reachable else {"state": later}
    with pytest.raises(IntegrityError), transaction.atomic():
        make_bet(**{**row, "previous_state": earlier})


def test_a_user_has_one_open_bet_with_an_agent():
    make_bet()
    refused("play_bet_one_open", make_bet)
    make_bet(**CASHED_OUT)  # play on it is over
    make_bet(make_user("grace"))
    make_bet(agent=Agent.objects.create(code="other", wallet="ledger"))
    assert Bet.objects.filter(state="placed").count() == 3


def test_a_nonce_counts_once_per_user_and_agent():
    first = make_bet(**CASHED_OUT)
    refused("play_bet_nonce_once", make_bet, nonce=first.nonce)
    make_bet(make_user("grace"), nonce=first.nonce)


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("play_bet_seed_hidden_while_open", {"server_seed": "5e" * 32}),
        ("play_bet_seed_hidden_while_open", {"hazards": [1, 2, 3]}),
        ("play_bet_seed_hidden_while_open", {"first_hazard": 1}),
        ("play_bet_seed_hidden_while_open", {"encrypted_seed": ""}),
        ("play_bet_seed_hidden_while_open", {"ended_at": NOW}),
        ("play_bet_seed_hidden_while_open", {"ended_by": "hazard"}),
        ("play_bet_seed_hidden_while_open", {**CASHED_OUT, "server_seed": ""}),
        ("play_bet_seed_hidden_while_open", {**CASHED_OUT, "hazards": None}),
        ("play_bet_seed_hidden_while_open", {**CASHED_OUT, "first_hazard": None}),
        ("play_bet_seed_hidden_while_open", {**CASHED_OUT, "encrypted_seed": "encrypted"}),
        ("play_bet_seed_hidden_while_open", {**CASHED_OUT, "ended_at": None}),
        ("play_bet_seed_hidden_while_open", {**CASHED_OUT, "ended_by": ""}),
        ("play_bet_result", {"result": "won", "payout_e4": 1}),
        ("play_bet_result", {"payout_e4": 0}),
        ("play_bet_result", {**CASHED_OUT, "result": ""}),
        ("play_bet_result", {**CASHED_OUT, "payout_e4": None}),
        ("play_bet_result", {**CASHED_OUT, "payout_e4": 0}),
        ("play_bet_result", {**CASHED_OUT, "result": "lost"}),
        ("play_bet_result", {**CASHED_OUT, "previous_state": "settling", "state": "lost", "settled_at": NOW}),
        ("play_bet_result", {**CASHED_OUT, "state": "refunding"}),
        ("play_bet_failed_action", {**legal_row(State.SETTLING, State.SETTLEMENT_FAILED), "failed_action": ""}),
        (
            "play_bet_failed_action",
            {**legal_row(State.SETTLEMENT_FAILED, State.SETTLING), "failed_action": "refunding"},
        ),
        ("play_bet_failed_action", {"failed_action": "settling"}),
        ("play_bet_settled_when_final", {"settled_at": NOW}),
        ("play_bet_settled_when_final", {**legal_row(State.SETTLING, State.WON), "settled_at": None}),
        ("play_bet_amounts", {"stake_e4": 0}),
        ("play_bet_amounts", {"stake_e4": -1}),
        ("play_bet_amounts", {**CASHED_OUT, "payout_e4": 100_000_001}),
        ("play_bet_steps", {"step": 4}),
        ("play_bet_steps", {"last_step": 0}),
        ("play_bet_steps", {"last_step": 28}),
        ("play_bet_steps", {**CASHED_OUT, "ended_at_step": 3}),
        ("play_bet_seed_order", {"nonce": -1}),
        ("play_bet_seed_order", {"client_seed_by": "player"}),
        ("play_bet_seed_order", {"client_seed_by": "player", "client_seed_set_at": NOW}),
        ("play_bet_seed_order", {"client_seed_by": "player", "client_seed_set_at": NOW, "commitment_shown_at": NOW}),
        (
            "play_bet_seed_order",
            {"client_seed_by": "player", "client_seed_set_at": NOW + SECOND, "commitment_shown_at": NOW - SECOND},
        ),
        ("play_bet_seed_order", {"client_seed_set_at": NOW, "commitment_shown_at": NOW - SECOND}),
    ],
)
def test_a_bet_that_contradicts_itself_is_refused(constraint, values):
    refused(constraint, make_bet, **values)


def test_a_client_seed_set_between_commitment_and_bet_is_the_players():
    assert make_bet(client_seed_by="player", client_seed_set_at=NOW, commitment_shown_at=NOW - SECOND).pk


def account(kind: str, **values) -> Account:
    return Account.objects.create(**{"kind": kind, "currency": "FUN", **values})


def test_only_a_players_accounts_carry_a_balance():
    user = make_user()
    account(AccountKind.PLAYER, user=user, balance_e4=0)
    account(AccountKind.HOUSE)
    refused("play_account_of_user_once", account, AccountKind.PLAYER, user=user, balance_e4=0)
    refused("play_account_of_all_once", account, AccountKind.HOUSE)
    refused("play_account_kind", account, AccountKind.MINT, balance_e4=0)
    refused("play_account_kind", account, AccountKind.STAKE, user=user)
    refused("play_account_kind", account, AccountKind.STAKE, balance_e4=0)
    refused("play_account_not_overdrawn", account, AccountKind.STAKE, user=user, balance_e4=-1)


def test_a_transfer_moves_a_positive_amount_once_between_two_accounts():
    mint, player = account(AccountKind.MINT), account(AccountKind.PLAYER, user=make_user(), balance_e4=0)

    def transfer(**values):
        return Transfer.objects.create(
            **{"debit": mint, "credit": player, "amount_e4": 1, "kind": TransferKind.START, "transaction_id": "a"}
            | values
        )

    transfer()
    refused("play_transfer_amount_positive", transfer, amount_e4=0, transaction_id="b")
    refused("play_transfer_two_accounts", transfer, debit=player, transaction_id="c")
    refused("play_transfer_kind", transfer, kind="gift", transaction_id="d")
    with pytest.raises(IntegrityError), transaction.atomic():
        transfer()
    transfer(kind=TransferKind.TOP_UP)


def test_a_client_seed_is_set_after_its_commitment_was_shown():
    def seeds(**values):
        house = Agent.objects.get(code=HOUSE)
        return Seeds.objects.create(user=make_user(), agent=house, encrypted_seed="x", commitment="c0" * 32, **values)

    refused("play_seeds_order", seeds, client_seed="c1" * 8)
    refused("play_seeds_order", seeds, client_seed="c1" * 8, client_seed_set_at=NOW)
    refused("play_seeds_order", seeds, client_seed="c1" * 8, client_seed_set_at=NOW, commitment_shown_at=NOW)
    refused("play_seeds_order", seeds, client_seed_set_at=NOW, commitment_shown_at=NOW - SECOND)
    refused("play_seeds_nonce", seeds, nonce=-1)
    seeds(client_seed="c1" * 8, client_seed_set_at=NOW, commitment_shown_at=NOW - SECOND)
    refused("play_seeds_once", seeds)


def test_a_request_has_status_and_body_or_neither():
    user = make_user()
    for values in ({"status": 200}, {"body": "{}"}, {"status": 100, "body": "{}"}):
        refused("play_request_answered", IdempotentRequest.objects.create, user=user, key="k", **values)
    IdempotentRequest.objects.create(user=user, key="k")
    refused("play_request_key_once", IdempotentRequest.objects.create, user=user, key="k", status=200, body="{}")


def test_limits_of_money_have_a_currency_and_those_of_time_have_none():
    user = make_user()
    refused("play_limit_currency", PlayerLimit.objects.create, user=user, kind=LimitKind.STAKE, value=1)
    refused("play_limit_currency", PlayerLimit.objects.create, user=user, kind=LimitKind.MINUTES, currency="FUN")
    refused("play_limit_not_negative", PlayerLimit.objects.create, user=user, kind=LimitKind.MINUTES, value=-1)
    refused("play_limit_next_has_time", PlayerLimit.objects.create, user=user, kind=LimitKind.MINUTES, next_value=1)
    PlayerLimit.objects.create(user=user, kind=LimitKind.STAKE, currency="FUN", value=1)
    refused("play_limit_once", PlayerLimit.objects.create, user=user, kind=LimitKind.STAKE, currency="FUN")


def test_a_day_has_no_negative_sums():
    user = make_user()
    for name in ("staked_e4", "returned_e4", "played_ms"):
        values = {"user": user, "currency": "FUN", "date": NOW.date(), name: -1}
        refused("play_day_not_negative", PlayerDay.objects.create, **values)


@pytest.mark.parametrize("code", ["", "a b", "é", "a\n", "x" * 33])
def test_an_agents_code_has_letters_digits_and_underscores_only(code):
    with pytest.raises(ValidationError):
        Agent(code=code, wallet="ledger").full_clean()


def test_an_agents_limits_fit_the_currency():
    house = Agent.objects.get()

    def offer(currency, **values):
        limits = {"min_bet_e4": 10_000, "max_bet_e4": 20_000, "max_win_e4": 30_000} | values
        return AgentCurrency(agent=house, currency=currency, **limits)

    offer("JPY").full_clean()
    with pytest.raises(ValidationError, match="At most 0 decimals are allowed in JPY"):
        offer("JPY", min_bet_e4=10_100).full_clean()
    with pytest.raises(ValidationError, match="At most 2 decimals are allowed in INR"):
        offer("INR", max_bet_e4=20_001).full_clean()
    refused("play_agent_currency_limits", offer("INR", max_bet_e4=9_999).save)
    refused("play_agent_currency_limits", offer("INR", max_win_e4=0).save)


def test_a_table_that_does_not_fit_the_draw_is_refused_with_its_step():
    value = {"minReturn": "0.90", "coefficients": {"DAREDEVIL": ["1.64", *["2.00"] * 10]}}
    with pytest.raises(ValidationError) as refusal:
        GameConfig(key="betConfig", value=value).full_clean()
    assert refusal.value.message_dict == {"value": ["DAREDEVIL: Step 1 returns 1.0022; allowed is 0.9000 to 1."]}


def test_a_value_that_makes_another_one_wrong_names_it():
    coefficients = ["1.10", "1.22", "1.36", "1.52", "1.70", "1.92", "2.17", "2.47", "2.82", "3.24"]
    GameConfig.objects.create(key="houseEdge", value="0.01")
    lanes = {"EASY": {"columns": 13, "hazards": 3}}
    lanes |= {name: {"columns": 20, "hazards": 5} for name in ("MEDIUM", "HARD", "DAREDEVIL")}
    GameConfig.objects.create(key="betConfig", value={"minReturn": "0.90", "coefficients": {"EASY": coefficients}})
    with pytest.raises(ValidationError) as refusal:
        GameConfig(key="hazardConfig", value=lanes).full_clean()
    assert refusal.value.message_dict == {
        "value": ["With this value, betConfig is wrong. EASY: Step 1 returns 0.8462; allowed is 0.9000 to 1."]
    }
