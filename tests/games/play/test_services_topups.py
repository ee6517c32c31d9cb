import pytest

from games.play import errors
from games.play.models import Account, IdempotentRequest, Transfer
from games.play.services.topups import top_up
from tests.games.play.playing import balance, fresh_key, make_agent, make_caller, placed

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller():
    return make_caller()


def leave(caller, amount_e4: int) -> None:
    placed(caller)  # which opens the accounts
    Account.objects.filter(user=caller.user, kind="player").update(balance_e4=amount_e4)


def test_a_low_balance_is_topped_up(caller):
    leave(caller, 99_999)
    answer = top_up(caller=caller, request=fresh_key(caller))
    transfer = Transfer.objects.get(kind="topup")
    assert (answer.status, answer.body["amount"], answer.body["balance"]) == (201, "1000.00", "1009.9999")
    assert (balance(caller), transfer.debit.kind, transfer.credit.kind) == (10_099_999, "mint", "player")
    assert transfer.transaction_id.startswith(f"topup:{caller.user.pk}:20")


def test_the_same_key_tops_up_once(caller):
    leave(caller, 0)
    first, again = (top_up(caller=caller, request=fresh_key(caller, "k")) for _ in range(2))
    assert (again.body, again.replayed, balance(caller)) == (first.body, True, 10_000_000)


def test_a_balance_of_ten_is_not_topped_up(caller):
    leave(caller, 100_000)
    with pytest.raises(errors.TopUpUnavailable, match="while the balance is below 10"):
        top_up(caller=caller, request=fresh_key(caller))
    assert IdempotentRequest.objects.count() == 1  # that of the bet


def test_a_second_top_up_on_one_day_is_refused(caller):
    leave(caller, 0)
    top_up(caller=caller, request=fresh_key(caller))
    Account.objects.filter(user=caller.user, kind="player").update(balance_e4=0)
    with pytest.raises(errors.TopUpUnavailable, match="once a day"):
        top_up(caller=caller, request=fresh_key(caller))


def test_only_play_money_is_topped_up():
    make_agent("rupees", currency="INR")
    caller = make_caller(agent="rupees")
    with pytest.raises(errors.InvalidCurrency):
        top_up(caller=caller, request=fresh_key(caller))
