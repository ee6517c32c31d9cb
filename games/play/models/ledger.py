"""The ledger: accounts and append-only transfers. One row has both sides, so all entries sum to zero."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from games.play.models.agents import CURRENCY_CHOICES


class AccountKind(models.TextChoices):
    PLAYER = "player", "Player"
    STAKE = "stake", "Stake of a player"
    HOUSE = "house", "House"
    MINT = "mint", "Mint"


OF_A_USER = [AccountKind.PLAYER, AccountKind.STAKE]


class Account(models.Model):
    """A player's accounts carry a balance. House and mint carry none, so no bet waits for their row."""

    kind = models.CharField(max_length=8, choices=AccountKind)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="play_accounts")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    balance_e4 = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="play_account_of_user_once", fields=["user", "currency", "kind"]),
            models.UniqueConstraint(
                name="play_account_of_all_once", fields=["kind", "currency"], condition=Q(user=None)
            ),
            models.CheckConstraint(
                name="play_account_kind",
                condition=Q(kind__in=OF_A_USER, user__isnull=False, balance_e4__isnull=False)
                | Q(kind__in=[AccountKind.HOUSE, AccountKind.MINT], user=None, balance_e4=None),
            ),
            models.CheckConstraint(
                name="play_account_not_overdrawn", condition=Q(balance_e4__gte=0) | Q(balance_e4=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.user or ''} {self.currency}".replace("  ", " ")


class TransferKind(models.TextChoices):
    START = "start", "Start balance"
    TOP_UP = "topup", "Top-up"
    PLACE = "place", "Stake"
    STAKE_RETURN = "stake_return", "Stake returned"
    WIN = "win", "Win"
    LOSS = "loss", "Stake lost"
    REFUND = "refund", "Refund"


class Transfer(models.Model):
    """Money that moved from the debit to the credit account.

    Triggers refuse UPDATE, DELETE and TRUNCATE (migration 0003). On SQLite a migration that alters this table
    rebuilds it and loses them: create them again there.
    """

    debit = models.ForeignKey(Account, models.PROTECT, related_name="debits")
    credit = models.ForeignKey(Account, models.PROTECT, related_name="credits")
    amount_e4 = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=TransferKind)
    transaction_id = models.CharField(max_length=64)
    bet_id = models.BigIntegerField(null=True, help_text="A plain number: archived bets leave the table of bets.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(name="play_transfer_once", fields=["transaction_id", "kind"]),
            models.CheckConstraint(name="play_transfer_amount_positive", condition=Q(amount_e4__gt=0)),
            models.CheckConstraint(name="play_transfer_two_accounts", condition=~Q(debit=F("credit"))),
            models.CheckConstraint(name="play_transfer_kind", condition=Q(kind__in=TransferKind.values)),
        ]
        indexes = [models.Index(name="play_transfer_bet", fields=["bet_id"], condition=Q(bet_id__isnull=False))]

    def __str__(self) -> str:
        return f"transfer {self.pk}: {self.kind} {self.transaction_id}"
