"""Players: what the step game stores about a user, the limits a player has set, and one row per day."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from games.play.models.agents import CURRENCY_CHOICES


class Player(models.Model):
    """A user of the step game."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, primary_key=True, related_name="player")
    is_guest = models.BooleanField(default=False)
    address_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Keyed digest of the address that made a guest."
    )
    paused_until = models.DateTimeField(null=True, blank=True)
    self_excluded_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                name="play_guest_address", fields=["address_digest", "created_at"], condition=Q(is_guest=True)
            ),
        ]

    def __str__(self) -> str:
        return str(self.user)


class LimitKind(models.TextChoices):
    STAKE = "stake", "Stake per day"
    LOSS = "loss", "Loss per day"
    MINUTES = "minutes", "Minutes per day"


class PlayerLimit(models.Model):
    """A limit that a player has set. A looser value waits in `next_value` until `next_from`; null means no limit.

    Stake and loss are per currency, in ten-thousandths. Minutes are over all currencies, and `currency` is empty.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="play_limits")
    kind = models.CharField(max_length=8, choices=LimitKind)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES, blank=True)
    value = models.BigIntegerField(null=True)
    next_value = models.BigIntegerField(null=True)
    next_from = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="play_limit_once", fields=["user", "kind", "currency"]),
            models.CheckConstraint(
                name="play_limit_currency",
                condition=Q(kind=LimitKind.MINUTES, currency="")
                | (Q(kind__in=[LimitKind.STAKE, LimitKind.LOSS]) & ~Q(currency="")),
            ),
            models.CheckConstraint(name="play_limit_not_negative", condition=Q(value__gte=0) | Q(value=None)),
            models.CheckConstraint(
                name="play_limit_next_not_negative", condition=Q(next_value__gte=0) | Q(next_value=None)
            ),
            models.CheckConstraint(name="play_limit_next_has_time", condition=Q(next_value=None) | ~Q(next_from=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.currency} of {self.user}".replace("  ", " ")


class PlayerDay(models.Model):
    """What a player staked, got back and played on one UTC day, by currency. A bet counts on the day it was placed.

    Staked minus returned is the day's loss: the stake in play counts as lost until the bet ends.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="play_days")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    date = models.DateField()
    staked_e4 = models.BigIntegerField(default=0)
    returned_e4 = models.BigIntegerField(default=0)
    played_ms = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="play_day_once", fields=["user", "date", "currency"]),
            models.CheckConstraint(
                name="play_day_not_negative", condition=Q(staked_e4__gte=0, returned_e4__gte=0, played_ms__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.date} {self.currency}"
