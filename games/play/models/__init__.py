"""The tables of the step game. The database decides everything."""

from games.play.models.agents import HOUSE, Agent, AgentCurrency, AgentToken, WalletKind
from games.play.models.bet_states import ENDED, FINAL, OPEN, TRANSITIONS, UNSETTLED, EndedBy, Result, State
from games.play.models.bets import Bet, ClientSeedBy
from games.play.models.configuration import GameConfig
from games.play.models.idempotency import IdempotentRequest
from games.play.models.ledger import Account, AccountKind, Transfer, TransferKind
from games.play.models.players import LimitKind, Player, PlayerDay, PlayerLimit
from games.play.models.seeds import Seeds

__all__ = [
    "ENDED",
    "FINAL",
    "HOUSE",
    "OPEN",
    "TRANSITIONS",
    "UNSETTLED",
    "Account",
    "AccountKind",
    "Agent",
    "AgentCurrency",
    "AgentToken",
    "Bet",
    "ClientSeedBy",
    "EndedBy",
    "GameConfig",
    "IdempotentRequest",
    "LimitKind",
    "Player",
    "PlayerDay",
    "PlayerLimit",
    "Result",
    "Seeds",
    "State",
    "Transfer",
    "TransferKind",
    "WalletKind",
]
