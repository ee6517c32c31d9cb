"""Posting to the ledger: transfers, and the balances of a player's two accounts with them.

Everything here runs inside the caller's transaction.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db.models import F

from games.play.currencies import FUN
from games.play.models import Account, AccountKind, Transfer, TransferKind
from games.play.money import UNIT_E4

START_BALANCE_E4 = 1_000 * UNIT_E4


class Movement(NamedTuple):
    debit: Account
    credit: Account
    amount_e4: int
    kind: TransferKind


class PlayerAccounts(NamedTuple):
    """A player's accounts in one currency. Both rows are locked until the transaction ends."""

    balance: Account
    stake: Account


class Overdrawn(Exception):
    """A balance is lower than what is to be taken from it. The transaction must be rolled back."""


def lock_player_accounts(user: User, currency: str) -> PlayerAccounts:
    """Return the player's accounts, locked in the order of their ids. Open them if they are missing."""
    found = _lock(user, currency)
    if len(found) < len(PlayerAccounts._fields):
        _open(user, currency)
        found = _lock(user, currency)
    return PlayerAccounts(found[AccountKind.PLAYER], found[AccountKind.STAKE])


def shared_account(kind: AccountKind, currency: str) -> Account:
    """Return the account of the house or the mint. It carries no balance and is never locked."""
    return Account.objects.get_or_create(kind=kind, user=None, currency=currency)[0]


def post(movements: Sequence[Movement], *, transaction_id: str, bet_id: int | None = None) -> None:
    """Move money. Raise Overdrawn if a balance would become negative."""
    _apply(movements)
    Transfer.objects.bulk_create(
        Transfer(
            debit=movement.debit,
            credit=movement.credit,
            amount_e4=movement.amount_e4,
            kind=movement.kind,
            transaction_id=transaction_id,
            bet_id=bet_id,
        )
        for movement in movements
    )


def _apply(movements: Sequence[Movement]) -> None:
    """Change the balances, one UPDATE per account, in the order of their ids."""
    changes: Counter[int] = Counter()
    accounts: dict[int, Account] = {}
    for movement in movements:
        for account, change_e4 in ((movement.debit, -movement.amount_e4), (movement.credit, movement.amount_e4)):
            if account.balance_e4 is not None:
                accounts[account.pk] = account
                changes[account.pk] += change_e4
    for pk in sorted(changes):
        changed = Account.objects.filter(pk=pk, balance_e4__gte=-changes[pk]).update(
            balance_e4=F("balance_e4") + changes[pk]
        )
        if not changed:
            raise Overdrawn(pk)
        accounts[pk].balance_e4 = (accounts[pk].balance_e4 or 0) + changes[pk]


def _lock(user: User, currency: str) -> dict[str, Account]:
    accounts = Account.objects.select_for_update(no_key=True).filter(user=user, currency=currency).order_by("pk")
    return {account.kind: account for account in accounts}


def _open(user: User, currency: str) -> None:
    """Open a player's accounts, with the start balance in play money. Another request may do the same at once."""
    Account.objects.bulk_create(
        [
            Account(kind=kind, user=user, currency=currency, balance_e4=0)
            for kind in (AccountKind.PLAYER, AccountKind.STAKE)
        ],
        ignore_conflicts=True,
    )
    if currency != FUN:
        return
    transaction_id, accounts = f"start:{user.pk}", _lock(user, currency)
    # Under the lock: of two requests, the second one finds the transfer of the first.
    if not Transfer.objects.filter(transaction_id=transaction_id, kind=TransferKind.START).exists():
        mint = shared_account(AccountKind.MINT, currency)
        grant = Movement(mint, accounts[AccountKind.PLAYER], START_BALANCE_E4, TransferKind.START)
        post([grant], transaction_id=transaction_id)
