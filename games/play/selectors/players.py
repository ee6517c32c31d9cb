"""A player's day and limits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.contrib.auth.models import User

from games.play.models import LimitKind, PlayerDay, PlayerLimit


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
