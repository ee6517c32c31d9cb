"""Bets. The row of a bet decides: it holds step, state, seeds and money."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from games.play.difficulties import LANES, Lane
from games.play.models.agents import CURRENCY_CHOICES, Agent
from games.play.models.bet_states import ENDED, FINAL, OPEN, TRANSITIONS, UNSETTLED, EndedBy, Result, State
from games.play.money import MAX_E4


class ClientSeedBy(models.TextChoices):
    PLAYER = "player", "Player"
    SERVER = "server", "Server"


_HIDDEN = Q(server_seed="", hazards__isnull=True, first_hazard=None, ended_at=None, ended_by="") & ~Q(encrypted_seed="")
_REVEALED = Q(encrypted_seed="", hazards__isnull=False, first_hazard__isnull=False, ended_at__isnull=False) & ~(
    Q(server_seed="") | Q(ended_by="")
)
# A CHECK that is neither true nor false lets a row pass: where null is wrong, the condition must say so.
_WON = Q(result=Result.WON, payout_e4__isnull=False, payout_e4__gt=0)
_LOST = Q(result=Result.LOST, payout_e4__isnull=False, payout_e4=0)
_NO_RESULT = Q(result="", payout_e4=None)
_FAILED_TO_SETTLE = Q(state=State.SETTLEMENT_FAILED, failed_action=State.SETTLING)


def _legal_transitions() -> Q:
    legal = Q(previous_state="", state=State.PLACING)
    for earlier, laters in TRANSITIONS.items():
        legal |= Q(previous_state=earlier, state__in=laters)
    return legal


class Bet(models.Model):
    """One bet and its game. Money is in ten-thousandths of the currency's unit, coefficients are in hundredths.

    The seed is encrypted, and no column tells anything about hazards, until the bet has ended. `action_seq` rises with
    every action, so that an older copy never replaces a newer one.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="bets")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="bets")
    transaction_id = models.CharField(max_length=64, unique=True)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    stake_e4 = models.BigIntegerField()
    max_win_e4 = models.BigIntegerField()

    difficulty = models.CharField(max_length=16, choices=[(name, name) for name in LANES])
    columns = models.PositiveSmallIntegerField()
    hazard_count = models.PositiveSmallIntegerField()
    table = models.JSONField(help_text="The coefficient of each step in hundredths, as it was when the bet was placed.")
    last_step = models.PositiveSmallIntegerField(help_text="The last step on offer. Reaching it cashes out.")

    nonce = models.BigIntegerField(help_text="Counts the bets of this user and agent from 0.")
    commitment = models.CharField(max_length=64)
    commitment_shown_at = models.DateTimeField(null=True)
    client_seed = models.CharField(max_length=16)
    client_seed_by = models.CharField(max_length=8, choices=ClientSeedBy)
    client_seed_set_at = models.DateTimeField(null=True)
    encrypted_seed = models.TextField(blank=True, editable=False)
    server_seed = models.CharField(max_length=64, blank=True, editable=False)
    hazards = models.JSONField(null=True, editable=False)
    first_hazard = models.PositiveSmallIntegerField(null=True, editable=False)

    state = models.CharField(max_length=20, choices=State, default=State.PLACING)
    previous_state = models.CharField(max_length=20, choices=State, blank=True)
    failed_action = models.CharField(max_length=20, choices=State, blank=True)
    step = models.PositiveSmallIntegerField(default=0)
    ended_at_step = models.PositiveSmallIntegerField(null=True, help_text="The step that ended the bet, if one did.")
    ended_by = models.CharField(max_length=12, choices=EndedBy, blank=True)
    refusal = models.CharField(max_length=64, blank=True, help_text="The wallet's code, if it refused the stake.")
    result = models.CharField(max_length=4, choices=Result, blank=True)
    payout_e4 = models.BigIntegerField(null=True)
    action_seq = models.PositiveIntegerField(default=0)

    placed_at = models.DateTimeField()
    last_action_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            UniqueConstraint(name="play_bet_one_open", fields=["user", "agent"], condition=Q(state__in=OPEN)),
            UniqueConstraint(name="play_bet_nonce_once", fields=["user", "agent", "nonce"]),
            CheckConstraint(name="play_bet_transition", condition=_legal_transitions()),
            CheckConstraint(
                name="play_bet_failed_action",
                condition=Q(state=State.SETTLEMENT_FAILED, failed_action=F("previous_state"))
                | Q(previous_state=State.SETTLEMENT_FAILED, failed_action=F("state"))
                | Q(failed_action="") & ~Q(state=State.SETTLEMENT_FAILED) & ~Q(previous_state=State.SETTLEMENT_FAILED),
            ),
            CheckConstraint(
                name="play_bet_seed_hidden_while_open",
                condition=Q(state__in=OPEN) & _HIDDEN | Q(state__in=ENDED) & _REVEALED,
            ),
            CheckConstraint(
                name="play_bet_result",
                condition=(Q(state=State.SETTLING) | _FAILED_TO_SETTLE) & (_WON | _LOST)
                | Q(state=State.WON) & _WON
                | Q(state=State.LOST) & _LOST
                | ~Q(state__in=[State.SETTLING, State.WON, State.LOST]) & ~_FAILED_TO_SETTLE & _NO_RESULT,
            ),
            CheckConstraint(
                name="play_bet_settled_when_final",
                condition=Q(state__in=FINAL, settled_at__isnull=False) | ~Q(state__in=FINAL) & Q(settled_at=None),
            ),
            CheckConstraint(
                name="play_bet_amounts",
                condition=Q(stake_e4__gt=0, stake_e4__lte=MAX_E4)
                & (Q(payout_e4=None) | Q(payout_e4__gte=0, payout_e4__lte=F("max_win_e4"))),
            ),
            CheckConstraint(
                name="play_bet_steps",
                condition=Q(last_step__gte=1, last_step__lte=F("columns") - F("hazard_count"))
                & Q(step__gte=0, step__lte=F("last_step"))
                & (Q(ended_at_step=None) | Q(ended_at_step=F("step")) | Q(ended_at_step=F("step") + 1)),
            ),
            # Commitment first, then the client seed, then the bet.
            CheckConstraint(
                name="play_bet_seed_order",
                condition=Q(nonce__gte=0)
                & (
                    Q(client_seed_by=ClientSeedBy.SERVER, client_seed_set_at=None)
                    | Q(
                        client_seed_by=ClientSeedBy.PLAYER,
                        commitment_shown_at__isnull=False,
                        client_seed_set_at__isnull=False,
                        client_seed_set_at__gt=F("commitment_shown_at"),
                        client_seed_set_at__lte=F("placed_at"),
                    )
                ),
            ),
        ]
        indexes = [
            Index(name="play_bet_of_user", fields=["user", "-id"]),
            Index(name="play_bet_open_until", fields=["expires_at"], condition=Q(state=State.PLACED)),
            Index(name="play_bet_unsettled", fields=["ended_at"], condition=Q(state__in=UNSETTLED)),
        ]

    def __str__(self) -> str:
        return f"bet {self.pk}: {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def lane(self) -> Lane:
        return Lane(self.columns, self.hazard_count)

    def coefficient(self, step: int) -> int:
        """Return the coefficient of a step in hundredths; 100 at step 0, where only the stake is there."""
        table: list[Any] = self.table
        return int(table[step - 1]) if step else 100
