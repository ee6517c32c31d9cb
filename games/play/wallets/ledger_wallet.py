"""The wallet of our own ledger: transfers in the bet's own transaction, so that claim and outcome are one."""

from django.contrib.auth.models import User
from django.db import transaction

from games.play.ledger import Movement, PlayerAccounts, lock_player_accounts, post, shared_account
from games.play.models import AccountKind, Bet, TransferKind
from games.play.wallets.gateway import INSUFFICIENT_BALANCE, Accepted, Outcome, Refused


class LedgerWallet:
    joins_transaction = True

    def place(self, bet: Bet) -> Outcome:
        """Move the stake from the player's balance to the stake account."""
        accounts = lock_player_accounts(bet.user, bet.currency)
        if (accounts.balance.balance_e4 or 0) < bet.stake_e4:
            return Refused(INSUFFICIENT_BALANCE)
        return _post(bet, accounts, [Movement(accounts.balance, accounts.stake, bet.stake_e4, TransferKind.PLACE)])

    def settle(self, bet: Bet) -> Outcome:
        """Return the stake and pay the win, or move the stake to the house."""
        accounts, house = lock_player_accounts(bet.user, bet.currency), shared_account(AccountKind.HOUSE, bet.currency)
        if not bet.payout_e4:
            return _post(bet, accounts, [Movement(accounts.stake, house, bet.stake_e4, TransferKind.LOSS)])
        returned = Movement(accounts.stake, accounts.balance, bet.stake_e4, TransferKind.STAKE_RETURN)
        won_e4 = bet.payout_e4 - bet.stake_e4
        won = [Movement(house, accounts.balance, won_e4, TransferKind.WIN)] if won_e4 else []
        return _post(bet, accounts, [returned, *won])

    def refund(self, bet: Bet) -> Outcome:
        """Move the stake back to the player's balance."""
        accounts = lock_player_accounts(bet.user, bet.currency)
        return _post(bet, accounts, [Movement(accounts.stake, accounts.balance, bet.stake_e4, TransferKind.REFUND)])

    def balance(self, user: User, currency: str) -> Outcome:
        with transaction.atomic():
            return Accepted(lock_player_accounts(user, currency).balance.balance_e4)


def _post(bet: Bet, accounts: PlayerAccounts, movements: list[Movement]) -> Outcome:
    post(movements, transaction_id=bet.transaction_id, bet_id=bet.pk)
    return Accepted(accounts.balance.balance_e4)
