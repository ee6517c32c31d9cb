"""Seeds: the committed server seed and the client seed of a player's next bet with an agent."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from games.play.models.agents import Agent


class Seeds(models.Model):
    """One row per user and agent. A server seed serves exactly one bet; its end brings the next seed and nonce.

    While a bet is open, the row still holds its seed. A rotation clears the client seed: otherwise the house could
    choose the next server seed against it.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="seeds")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="seeds")
    encrypted_seed = models.TextField(editable=False)
    commitment = models.CharField(max_length=64)
    commitment_shown_at = models.DateTimeField(null=True)
    client_seed = models.CharField(max_length=16, blank=True, help_text="Set by the player; empty if not set.")
    client_seed_set_at = models.DateTimeField(null=True)
    nonce = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "seeds"
        constraints = [
            models.UniqueConstraint(name="play_seeds_once", fields=["user", "agent"]),
            models.CheckConstraint(name="play_seeds_nonce", condition=Q(nonce__gte=0)),
            models.CheckConstraint(
                name="play_seeds_order",
                condition=Q(client_seed="", client_seed_set_at=None)
                | (
                    Q(commitment_shown_at__isnull=False, client_seed_set_at__isnull=False)
                    & Q(client_seed_set_at__gt=F("commitment_shown_at"))
                    & ~Q(client_seed="")
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"seeds of {self.user} with {self.agent}"
