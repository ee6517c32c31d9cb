"""The books, recomputed: every balance from transfers, every bet's money and every day from the bets."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from games.play.ladder import payout_e4
from games.play.models import Account, AccountKind, Bet, PlayerDay, Result, State, Transfer, TransferKind
from games.play.selectors.snapshot import snapshot

CHUNK = 2_000


class Difference(NamedTuple):
    """A row that differs from what it must be."""

    row: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.row}: expected {self.expected}, found {self.found}"


class Sides(NamedTuple):
    """The kinds of the two accounts of a transfer. A player's account must be that of the bet's player."""

    debit: AccountKind
    credit: AccountKind


SIDES = {
    TransferKind.START: Sides(AccountKind.MINT, AccountKind.PLAYER),
    TransferKind.TOP_UP: Sides(AccountKind.MINT, AccountKind.PLAYER),
    TransferKind.PLACE: Sides(AccountKind.PLAYER, AccountKind.STAKE),
    TransferKind.STAKE_RETURN: Sides(AccountKind.STAKE, AccountKind.PLAYER),
    TransferKind.WIN: Sides(AccountKind.HOUSE, AccountKind.PLAYER),
    TransferKind.LOSS: Sides(AccountKind.STAKE, AccountKind.HOUSE),
    TransferKind.REFUND: Sides(AccountKind.STAKE, AccountKind.PLAYER),
}
WITHOUT_BET = (TransferKind.START, TransferKind.TOP_UP)


def differences() -> Iterator[Difference]:
    """Yield everything in the books that is not as it must be, seen at one moment."""
    with snapshot():
        yield from _balances()
        yield from _transfers()
        yield from _bets()
        yield from _days()


def _balances() -> Iterator[Difference]:
    credited, debited = (_sum_of(side) for side in ("credit", "debit"))
    accounts = Account.objects.filter(balance_e4__isnull=False).annotate(expected=credited - debited)
    for account in accounts.exclude(balance_e4=F("expected")).iterator():
        yield Difference(f"account {account.pk} ({account.kind})", str(account.expected), str(account.balance_e4))


def _sum_of(side: str) -> Coalesce:
    """Sum the transfers of an account on one side."""
    rows = Transfer.objects.filter(**{side: OuterRef("pk")}).order_by().values(side)
    total = rows.annotate(total=Sum("amount_e4")).values("total")
    return Coalesce(Subquery(total, output_field=BigIntegerField()), 0)


def _transfers() -> Iterator[Difference]:
    """Check that both accounts of each transfer fit its kind, and that transfers of bets have their bet."""
    fitting = Q()
    for kind, sides in SIDES.items():
        fitting |= Q(kind=kind, debit__kind=sides.debit, credit__kind=sides.credit)
    fitting &= Q(debit__currency=F("credit__currency"))
    fitting &= Q(debit__user=None) | Q(credit__user=None) | Q(debit__user=F("credit__user"))
    fitting &= Q(kind__in=WITHOUT_BET, bet_id=None) | ~Q(kind__in=WITHOUT_BET) & Q(bet_id__isnull=False)
    for transfer in Transfer.objects.exclude(pk__in=Transfer.objects.filter(fitting).values("pk")).iterator():
        yield Difference(str(transfer), "accounts that fit its kind", f"{transfer.debit_id} -> {transfer.credit_id}")
    orphans = Transfer.objects.filter(~Exists(Bet.objects.filter(pk=OuterRef("bet_id"))), bet_id__isnull=False)
    for transfer in orphans.iterator():
        yield Difference(str(transfer), f"bet {transfer.bet_id}", "no such bet")


def _bets() -> Iterator[Difference]:
    last = 0
    while bets := list(Bet.objects.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        last = bets[-1].pk
        booked = _booked(bets)
        for bet in bets:
            expected = expected_transfers(bet)
            if booked[bet.pk] != expected:
                yield Difference(f"{bet} ({bet.transaction_id})", _named(expected), _named(booked[bet.pk]))
            if (payout := expected_payout(bet)) != bet.payout_e4:
                yield Difference(f"{bet}", f"payout {payout}", f"payout {bet.payout_e4}")


Booked = dict[str, int]


def _booked(bets: Iterable[Bet]) -> dict[int, Booked]:
    """Return the transfers of bets: kind -> amount. One that is not of its bet has a name that says so."""
    by_id = {bet.pk: bet for bet in bets}
    booked: dict[int, Booked] = defaultdict(dict)
    for transfer in Transfer.objects.filter(bet_id__in=by_id).select_related("debit", "credit"):
        bet = by_id[transfer.bet_id or 0]
        users = {transfer.debit.user_id, transfer.credit.user_id} - {None}
        is_own = transfer.transaction_id == bet.transaction_id and users <= {bet.user_id}
        booked[bet.pk][transfer.kind if is_own else f"another bet's {transfer}"] = transfer.amount_e4
    return booked


def expected_transfers(bet: Bet) -> Booked:
    """Return the transfers that a bet of our own ledger must have in its state."""
    stake = {str(TransferKind.PLACE): bet.stake_e4}
    if bet.state == State.WON:
        won_e4 = (bet.payout_e4 or 0) - bet.stake_e4
        return stake | {TransferKind.STAKE_RETURN: bet.stake_e4} | ({TransferKind.WIN: won_e4} if won_e4 else {})
    if bet.state == State.LOST:
        return stake | {TransferKind.LOSS: bet.stake_e4}
    if bet.state == State.REFUNDED:
        return stake | {TransferKind.REFUND: bet.stake_e4}
    return stake if bet.state in (State.PLACED, State.SETTLING, State.REFUNDING) else {}


def expected_payout(bet: Bet) -> int | None:
    """Return what a bet must pay by its result, step and table."""
    if bet.result == Result.WON:
        return payout_e4(bet.stake_e4, bet.coefficient(bet.step))
    return 0 if bet.result == Result.LOST else None


def _named(booked: Booked) -> str:
    return ", ".join(f"{kind} {amount}" for kind, amount in sorted(booked.items())) or "no transfers"


def _days() -> Iterator[Difference]:
    """Compare what each day's row says with the bets that were placed on that day."""
    expected: dict[tuple[int, str, date], list[int]] = defaultdict(lambda: [0, 0])
    for user_id, currency, placed_at, stake, payout in _counting_bets().iterator():
        day = expected[user_id, currency, placed_at.astimezone(UTC).date()]
        day[0] += stake
        day[1] += payout or 0
    for row in PlayerDay.objects.iterator():
        staked, returned = expected.pop((row.user_id, row.currency, row.date), [0, 0])
        if [row.staked_e4, row.returned_e4] != [staked, returned]:
            found = f"staked {row.staked_e4}, returned {row.returned_e4}"
            yield Difference(f"day {row}", f"staked {staked}, returned {returned}", found)
    for (user_id, currency, day_), (staked, returned) in expected.items():
        yield Difference(f"day {user_id} {day_} {currency}", f"staked {staked}, returned {returned}", "no row")


def _counting_bets() -> QuerySet[Bet, tuple[int, str, datetime, int, int | None]]:
    """Return the bets whose stake counts: open ones, and ended ones with a result."""
    counting = Q(state__in=[State.PLACING, State.PLACED]) | ~Q(result="")
    return Bet.objects.filter(counting).values_list("user_id", "currency", "placed_at", "stake_e4", "payout_e4")
