"""Limits that players set for themselves. A stricter one applies at once, a looser one after 24 hours."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from games.play.clock import database_now
from games.play.errors import LimitCannotBeShortened
from games.play.models import LimitKind, Player, PlayerLimit
from games.play.selectors.players import limit_at

LOOSER_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class LimitChanges:
    """What a player changes. A kind with None removes the limit; a kind that is missing stays as it is."""

    currency: str
    values: dict[LimitKind, int | None] = field(default_factory=dict)
    paused_until: datetime | None = None
    self_excluded_until: datetime | None = None


@transaction.atomic
def change_limits(*, user: User, changes: LimitChanges) -> None:
    """Change a player's limits. Raise LimitCannotBeShortened, with nothing changed, for an earlier end of a pause."""
    Player.objects.get_or_create(user=user)
    player, now = Player.objects.select_for_update(no_key=True).get(user=user), database_now()
    _lengthen(player, "paused_until", changes.paused_until, now)
    _lengthen(player, "self_excluded_until", changes.self_excluded_until, now)
    player.save(update_fields=["paused_until", "self_excluded_until"])
    for kind, value in changes.values.items():
        currency = "" if kind == LimitKind.MINUTES else changes.currency
        limit, _ = PlayerLimit.objects.get_or_create(user=user, kind=kind, currency=currency)
        _change(limit, value, now)


def _lengthen(player: Player, name: str, until: datetime | None, now: datetime) -> None:
    """Set the end of a pause or self-exclusion. One that lasts still cannot end earlier."""
    current = getattr(player, name)
    if until is None:
        return
    if current is not None and current > now and until < current:
        raise LimitCannotBeShortened(name, current)
    setattr(player, name, until)


def _change(limit: PlayerLimit, value: int | None, now: datetime) -> None:
    """Apply a stricter value at once, and let a looser one wait. A new value replaces one that waits."""
    current = limit_at(limit, now)
    limit.value, limit.next_value, limit.next_from = current, None, None
    if _is_looser(value, current):
        limit.next_value, limit.next_from = value, now + LOOSER_AFTER
    else:
        limit.value = value
    limit.save()


def _is_looser(value: int | None, current: int | None) -> bool:
    return current is not None and (value is None or value > current)
