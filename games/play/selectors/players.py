"""A player's day and limits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import User

from games.play.clock import database_now
from games.play.currencies import CURRENCIES
from games.play.models import LimitKind, Player, PlayerDay, PlayerLimit
from games.play.money import format_e4


@dataclass(frozen=True, slots=True)
class Today:
    """What a player did on one UTC day: money in one currency, time over all currencies."""

    staked_e4: int = 0
    returned_e4: int = 0
    played_ms: int = 0

    @property
    def net_e4(self) -> int:
        return self.returned_e4 - self.staked_e4


def day_of(user: User, currency: str, day: date) -> Today:
    return summed(PlayerDay.objects.filter(user=user, date=day), currency)


def summed(days: Iterable[PlayerDay], currency: str) -> Today:
    """Sum the rows of one day."""
    rows = list(days)
    own = next((row for row in rows if row.currency == currency), PlayerDay())
    return Today(own.staked_e4, own.returned_e4, sum(row.played_ms for row in rows))


def limit_at(limit: PlayerLimit, now: datetime) -> int | None:
    """Return the value in force at a time; None means no limit."""
    return limit.next_value if limit.next_from is not None and limit.next_from <= now else limit.value


def limits_at(user: User, currency: str, now: datetime) -> dict[LimitKind, int]:
    """Return the values in force by kind; a kind without a limit is missing."""
    limits = PlayerLimit.objects.filter(user=user, currency__in=["", currency])
    return {LimitKind(limit.kind): value for limit in limits if (value := limit_at(limit, now)) is not None}


def player_limits(user: User, currency: str) -> dict[str, Any]:
    """Return the limits that a player has set, with what has been used of them today."""
    now = database_now()
    rows = {limit.kind: limit for limit in PlayerLimit.objects.filter(user=user, currency__in=["", currency])}
    player = Player.objects.filter(pk=user.pk).first()
    today = day_of(user, currency, now.date())
    decimals = CURRENCIES[currency].decimals

    def shown(kind: LimitKind) -> dict[str, Any]:
        limit = rows.get(kind, PlayerLimit())
        waits = limit.next_from is not None and limit.next_from > now
        values: dict[str, Any] = {"value": limit_at(limit, now), "next_value": limit.next_value if waits else None}
        if kind != LimitKind.MINUTES:
            values = {name: None if one is None else format_e4(one, decimals) for name, one in values.items()}
        return {**values, "next_from": limit.next_from if waits else None}

    return {
        "currency": currency,
        "stake_per_day": shown(LimitKind.STAKE),
        "loss_per_day": shown(LimitKind.LOSS),
        "minutes_per_day": shown(LimitKind.MINUTES),
        "pause_until": player.paused_until if player else None,
        "self_exclusion_until": player.self_excluded_until if player else None,
        "today": {
            "staked": format_e4(today.staked_e4, decimals),
            "returned": format_e4(today.returned_e4, decimals),
            "net": format_e4(today.net_e4, decimals),
            "time_played_s": today.played_ms // 1000,
        },
    }
