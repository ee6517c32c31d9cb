import pytest
from django.db import IntegrityError, connection, transaction

from games.play.models import Account, AccountKind, Agent, Transfer, TransferKind

pytestmark = pytest.mark.django_db


def statement(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending checks cannot be truncated at all
        cursor.execute(sql)


@pytest.fixture
def transfer(django_user_model):
    user = django_user_model.objects.create(username="ada")
    mint = Account.objects.create(kind=AccountKind.MINT, currency="FUN")
    player = Account.objects.create(kind=AccountKind.PLAYER, user=user, currency="FUN", balance_e4=1)
    return Transfer.objects.create(
        debit=mint, credit=player, amount_e4=1, kind=TransferKind.START, transaction_id="start:1"
    )


def test_the_house_exists_after_migration_and_offers_play_money():
    house = Agent.objects.get()
    assert (house.code, house.wallet, house.active) == ("house", "ledger", True)
    [offer] = house.currencies.values_list("currency", "min_bet_e4", "max_bet_e4", "max_win_e4")
    assert offer == ("FUN", 100, 1_500_000, 100_000_000)


REPLACE = "INSERT OR REPLACE INTO play_transfer ({0}debit_id, credit_id, amount_e4, kind, transaction_id, created_at)"
REPLACED = " SELECT {0}credit_id, debit_id, 2, kind, transaction_id, created_at FROM play_transfer"


@pytest.mark.parametrize(
    ("vendor", "sql"),
    [
        (None, "UPDATE play_transfer SET amount_e4 = 2"),
        (None, "DELETE FROM play_transfer"),
        ("postgresql", "TRUNCATE play_transfer"),
        ("postgresql", "TRUNCATE play_account CASCADE"),
        ("sqlite", (REPLACE + REPLACED).format("id, ")),
        ("sqlite", (REPLACE + REPLACED).format("")),
    ],
)
def test_the_database_refuses_to_change_a_transfer(transfer, vendor, sql):
    if vendor not in (None, connection.vendor):
        pytest.skip(f"only on {vendor}")
    with pytest.raises(IntegrityError, match="transfers are append-only"):
        statement(sql)
    assert Transfer.objects.values_list("amount_e4", flat=True).get() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", [1, 2])
def test_a_flush_between_tests_leaves_the_house_and_the_triggers(transfer, run):
    assert Agent.objects.filter(code="house").count() == 1
    assert Transfer.objects.count() == 1  # the one of this run
    with pytest.raises(IntegrityError, match="transfers are append-only"):
        statement("DELETE FROM play_transfer")
