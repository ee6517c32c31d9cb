"""Agents: the houses on whose account a player plays, and the access tokens that carry them."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from games.play.currencies import CURRENCIES
from games.play.money import DIGITS, MAX_E4

HOUSE = "house"

CURRENCY_CHOICES = [(code, code) for code in CURRENCIES]


class WalletKind(models.TextChoices):
    LEDGER = "ledger", "Our own ledger"


class Agent(models.Model):
    """One agent. The credential of a request decides its agent, never a parameter."""

    code = models.CharField(
        max_length=32,
        unique=True,
        validators=[RegexValidator(r"\A[A-Za-z0-9_]{1,32}\Z", "Use 1 to 32 letters, digits and underscores.")],
    )
    wallet = models.CharField(max_length=16, choices=WalletKind)
    active = models.BooleanField(default=True, help_text="An inactive agent takes no new bets. Open bets go on.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(name="play_agent_has_code", condition=~Q(code="")),
            models.CheckConstraint(name="play_agent_wallet_kind", condition=Q(wallet__in=WalletKind.values)),
        ]

    def __str__(self) -> str:
        return self.code


class AgentCurrency(models.Model):
    """A currency that an agent offers, with the limits of a bet. Amounts are in ten-thousandths."""

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="currencies")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    min_bet_e4 = models.BigIntegerField()
    max_bet_e4 = models.BigIntegerField()
    max_win_e4 = models.BigIntegerField()

    class Meta:
        ordering = ["agent", "currency"]
        verbose_name_plural = "agent currencies"
        constraints = [
            models.UniqueConstraint(name="play_agent_currency_once", fields=["agent", "currency"]),
            models.CheckConstraint(
                name="play_agent_currency_limits",
                condition=Q(
                    min_bet_e4__gt=0, max_bet_e4__gte=F("min_bet_e4"), max_win_e4__gt=0, max_win_e4__lte=MAX_E4
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.currency}"

    @property
    def decimals(self) -> int:
        return CURRENCIES[self.currency].decimals

    def clean(self) -> None:
        """Raise ValidationError if a limit of a bet has more decimals than the currency."""
        if self.currency not in CURRENCIES:
            return
        smallest_e4 = 10 ** (DIGITS - self.decimals)
        errors = {
            name: f"At most {self.decimals} decimals are allowed in {self.currency}."
            for name in ("min_bet_e4", "max_bet_e4")
            if (value := getattr(self, name)) is not None and value % smallest_e4
        }
        if errors:
            raise ValidationError(errors)


class AgentToken(models.Model):
    """The agent that an access token was issued for. A token without a row is for `house`."""

    token = models.OneToOneField("tokens.AccessToken", models.CASCADE, primary_key=True, related_name="+")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="tokens")

    class Meta:
        ordering = ["token"]
        verbose_name = "token of an agent"
        verbose_name_plural = "tokens of agents"

    def __str__(self) -> str:
        return f"{self.token} for {self.agent}"
