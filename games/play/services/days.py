"""A player's days: every bet counts on the day it was placed, and limits are checked while it is counted."""

from datetime import UTC, datetime, time, timedelta

from django.contrib.auth.models import User
from django.db.models import F, QuerySet

from games.play.errors import PlayerLimited
from games.play.models import Bet, LimitKind, Player, PlayerDay
from games.play.selectors.players import limits_at, summed

MS_PER_MINUTE = 60_000


def count_stake(user: User, currency: str, stake_e4: int, now: datetime) -> None:
    """Add a stake to the player's day. Raise PlayerLimited if a limit allows no such bet."""
    refuse_paused(user, now)
    limits, tomorrow = limits_at(user, currency, now), next_day(now)
    if (minutes := limits.get(LimitKind.MINUTES)) is not None and _played_ms(user, now) >= minutes * MS_PER_MINUTE:
        raise PlayerLimited(LimitKind.MINUTES, tomorrow)
    days = PlayerDay.objects.filter(user=user, currency=currency, date=now.date())
    within = days
    if (stake_limit := limits.get(LimitKind.STAKE)) is not None:
        within = within.filter(staked_e4__lte=stake_limit - stake_e4)
    if (loss_limit := limits.get(LimitKind.LOSS)) is not None:
        within = within.filter(staked_e4__lte=F("returned_e4") + (loss_limit - stake_e4))
    change = {"staked_e4": F("staked_e4") + stake_e4}
    if within.update(**change):
        return
    PlayerDay.objects.bulk_create([PlayerDay(user=user, currency=currency, date=now.date())], ignore_conflicts=True)
    if within.update(**change):
        return
    staked_e4 = days.values_list("staked_e4", flat=True).get()
    over_stake = stake_limit is not None and staked_e4 + stake_e4 > stake_limit
    raise PlayerLimited(LimitKind.STAKE if over_stake else LimitKind.LOSS, tomorrow)


def count_result(bet: Bet) -> None:
    """Add what an ended bet returned and how long it took. Runs in the transaction that ends play on it."""
    played_ms = (bet.last_action_at - bet.placed_at) // timedelta(milliseconds=1)
    _day(bet).update(returned_e4=F("returned_e4") + (bet.payout_e4 or 0), played_ms=F("played_ms") + played_ms)


def take_back_stake(bet: Bet) -> None:
    """Take the stake of a bet that did not count out of its day: refused, cancelled or refunded."""
    _day(bet).update(staked_e4=F("staked_e4") - bet.stake_e4)


def refuse_paused(user: User, now: datetime) -> None:
    """Raise PlayerLimited while the player's pause or self-exclusion lasts."""
    player = Player.objects.filter(pk=user.pk).first()
    if player is None:
        return
    for name, until in (("self_exclusion", player.self_excluded_until), ("pause", player.paused_until)):
        if until is not None and until > now:
            raise PlayerLimited(name, until)


def next_day(now: datetime) -> datetime:
    """Return the beginning of the next UTC day."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def _played_ms(user: User, now: datetime) -> int:
    """Return what was played today over all currencies. The rows are locked in the order of currency."""
    rows = PlayerDay.objects.select_for_update(no_key=True).filter(user=user, date=now.date()).order_by("currency")
    return summed(rows, "").played_ms


def _day(bet: Bet) -> QuerySet[PlayerDay]:
    return PlayerDay.objects.filter(user=bet.user, currency=bet.currency, date=bet.placed_at.astimezone(UTC).date())
