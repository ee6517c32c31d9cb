"""A player's money: the balance, and every movement of it."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from games.play.callers import Caller
from games.play.currencies import CURRENCIES
from games.play.errors import AgentRejected, AgentUnavailable, NotFound
from games.play.models import OPEN, AccountKind, Bet, State, Transfer
from games.play.money import format_e4
from games.play.selectors.configuration import find_offer
from games.play.wallets import wallet_of
from games.play.wallets.gateway import Accepted, Refused

STATUSES = {
    State.REFUSED: "refused",
    State.SETTLEMENT_FAILED: "failed",
    **dict.fromkeys((State.PLACING, State.CANCELLING, State.SETTLING, State.REFUNDING), "pending"),
}
ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Balance:
    agent: str
    currency: str
    balance: str
    in_play: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer as it changed the player's balance. The amount is negative where money left it."""

    id: int
    transaction_id: str
    kind: str
    currency: str
    amount: str
    bet_id: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TransactionView:
    """All that happened under one transaction id."""

    transaction_id: str
    bet_id: int | None
    status: str
    entries: list[Entry]


def balance_of(caller: Caller, currency: str) -> Balance:
    """Raise InvalidCurrency, AgentRejected or AgentUnavailable."""
    find_offer(caller.agent, currency)
    outcome = wallet_of(caller.agent).balance(caller.user, currency)
    if isinstance(outcome, Refused):
        raise AgentRejected("The agent's wallet refused to state the balance.")
    if not isinstance(outcome, Accepted) or outcome.balance_e4 is None:
        raise AgentUnavailable
    decimals = CURRENCIES[currency].decimals
    open_bets = Bet.objects.filter(user=caller.user, agent=caller.agent, currency=currency, state__in=OPEN)
    in_play_e4 = sum(open_bets.values_list("stake_e4", flat=True))
    return Balance(
        caller.agent.code, currency, format_e4(outcome.balance_e4, decimals), format_e4(in_play_e4, decimals)
    )


def entries_of(caller: Caller) -> QuerySet[Transfer]:
    """Return the transfers that changed the player's balance, newest first."""
    own = {"kind": AccountKind.PLAYER, "user": caller.user}
    changed = Q(**{f"debit__{name}": value for name, value in own.items()})
    changed |= Q(**{f"credit__{name}": value for name, value in own.items()})
    return Transfer.objects.filter(changed).select_related("debit", "credit").order_by("-pk")


def entry(transfer: Transfer) -> Entry:
    sign = -1 if transfer.debit.kind == AccountKind.PLAYER else 1
    currency = transfer.debit.currency
    return Entry(
        id=transfer.pk,
        transaction_id=transfer.transaction_id,
        kind=transfer.kind,
        currency=currency,
        amount=format_e4(sign * transfer.amount_e4, CURRENCIES[currency].decimals),
        bet_id=transfer.bet_id,
        created_at=transfer.created_at,
    )


def transaction_of(caller: Caller, transaction_id: str) -> TransactionView:
    """Raise NotFound unless it is a transaction of this user with this agent."""
    bet = Bet.objects.filter(transaction_id=transaction_id, user=caller.user, agent=caller.agent).first()
    entries = [entry(transfer) for transfer in entries_of(caller).filter(transaction_id=transaction_id)]
    if bet is None and (not entries or any(one.bet_id is not None for one in entries)):
        raise NotFound
    status = ACCEPTED if bet is None else STATUSES.get(State(bet.state), ACCEPTED)
    return TransactionView(transaction_id, None if bet is None else bet.pk, status, entries)
