"""Wallets by kind. The services reach them through `wallet_of` alone."""

from games.play.models import Agent, WalletKind
from games.play.wallets.gateway import Wallet
from games.play.wallets.ledger_wallet import LedgerWallet

WALLETS: dict[str, Wallet] = {WalletKind.LEDGER: LedgerWallet()}


def wallet_of(agent: Agent) -> Wallet:
    return WALLETS[agent.wallet]
