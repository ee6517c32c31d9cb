"""The audit: it finds nothing in sound books, and names each row that differs."""

import pytest
from django.db.models import F

from games.play.models import Account, AccountKind, Bet, PlayerDay, State, Transfer, TransferKind
from games.play.selectors.books import differences
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

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller():
    """Return a player with one bet of each kind."""
    caller = make_caller()
    deal_hazard_at(caller, "EASY", 1)
    step(caller, placed(caller, "1.00"), 1)
    expire(placed(caller, "2.00"))
    run_jobs()
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller, "3.00")
    step(caller, bet_id, 1)
    cash(caller, bet_id)
    Account.objects.filter(user=caller.user, kind="player").update(balance_e4=F("balance_e4") - 9_950_000)
    assert place(caller, "100.00").body["code"] == "insufficient_balance"
    Account.objects.filter(user=caller.user, kind="player").update(balance_e4=F("balance_e4") + 9_950_000)
    placed(caller, "4.00")
    assert sorted(Bet.objects.values_list("state", flat=True)) == ["lost", "placed", "refunded", "refused", "won"]
    return caller


def found() -> list[str]:
    return [str(difference) for difference in differences()]


def test_sound_books_have_no_differences(caller):
    assert found() == []


def test_a_balance_that_no_transfer_explains(caller):
    account = Account.objects.get(kind="player")
    Account.objects.filter(pk=account.pk).update(balance_e4=F("balance_e4") + 1)
    expected = account.balance_e4
    assert found() == [f"account {account.pk} (player): expected {expected}, found {expected + 1}"]


def test_a_missing_day(caller):
    PlayerDay.objects.all().delete()
    day = Bet.objects.first().placed_at.date()
    assert found() == [f"day {caller.user.pk} {day} FUN: expected staked 80000, returned 33000, found no row"]


def test_a_day_that_counts_wrong(caller):
    PlayerDay.objects.update(staked_e4=F("staked_e4") + 1)
    [difference] = found()
    assert difference.endswith("expected staked 80000, returned 33000, found staked 80001, returned 33000")


def test_a_bet_that_was_paid_twice(caller):
    """A second settlement needs another transaction id, since the first one's is unique."""
    bet = Bet.objects.get(state="won")
    house, player, stake = (Account.objects.get(kind=kind) for kind in ("house", "player", "stake"))
    Transfer.objects.create(
        debit=house, credit=player, amount_e4=5, kind=TransferKind.WIN, transaction_id="again", bet_id=bet.pk
    )
    Account.objects.filter(pk=player.pk).update(balance_e4=F("balance_e4") + 5)
    [difference] = found()
    assert difference.startswith(f"bet {bet.pk}: won")
    assert "another bet's transfer" in difference
    assert stake.balance_e4 == 40_000


@pytest.mark.parametrize("state", [State.REFUNDED, State.REFUSED])
def test_a_won_bet_that_claims_another_state(caller, state):
    values = {"state": state, "result": "", "payout_e4": None}
    values["previous_state"] = "refunding" if state == State.REFUNDED else "placing"
    bet = Bet.objects.get(state="won")
    Bet.objects.filter(pk=bet.pk).update(**values)
    assert any(difference.startswith(f"bet {bet.pk}: {state}") for difference in found())


def test_a_payout_that_is_not_stake_times_coefficient(caller):
    bet = Bet.objects.get(state="won")
    Bet.objects.filter(pk=bet.pk).update(payout_e4=33_001)
    assert f"bet {bet.pk}: won: expected payout 33000, found payout 33001" in found()


def test_a_transfer_of_a_bet_that_does_not_exist(caller):
    mint = Account.objects.get(kind="mint")
    house = Account.objects.get(kind="house")
    transfer = Transfer.objects.create(
        debit=mint, credit=house, amount_e4=5, kind=TransferKind.WIN, transaction_id="none", bet_id=999_999
    )
    assert found() == [
        f"{transfer}: expected accounts that fit its kind, found {mint.pk} -> {house.pk}",
        f"{transfer}: expected bet 999999, found no such bet",
    ]


def test_a_transfer_between_currencies(caller):
    rupees = Account.objects.create(kind=AccountKind.PLAYER, user=caller.user, currency="INR", balance_e4=5)
    mint = Account.objects.get(kind="mint")
    transfer = Transfer.objects.create(
        debit=mint, credit=rupees, amount_e4=5, kind=TransferKind.START, transaction_id="start:x"
    )
    assert found() == [f"{transfer}: expected accounts that fit its kind, found {mint.pk} -> {rupees.pk}"]


@pytest.mark.django_db(transaction=True)
def test_the_audit_sees_one_moment_and_blocks_nobody(caller):
    audit = differences()
    assert next(audit, None) is None
    placed(make_caller("grace"))
    assert found() == []
