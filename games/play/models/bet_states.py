"""The states of a bet, the only transitions between them, and how play on it can end."""

from django.db import models


class State(models.TextChoices):
    PLACING = "placing", "Placing"
    PLACED = "placed", "Placed"
    REFUSED = "refused", "Refused"
    CANCELLING = "cancelling", "Cancelling"
    CANCELLED = "cancelled", "Cancelled"
    SETTLING = "settling", "Settling"
    WON = "won", "Won"
    LOST = "lost", "Lost"
    REFUNDING = "refunding", "Refunding"
    REFUNDED = "refunded", "Refunded"
    SETTLEMENT_FAILED = "settlement_failed", "Settlement failed"


OPEN = (State.PLACING, State.PLACED)
ENDED = tuple(state for state in State if state not in OPEN)  # play is over: seed and hazards are public
FINAL = (State.REFUSED, State.CANCELLED, State.WON, State.LOST, State.REFUNDED)
UNSETTLED = tuple(state for state in ENDED if state not in FINAL)

TRANSITIONS: dict[State, tuple[State, ...]] = {
    State.PLACING: (State.PLACED, State.REFUSED, State.CANCELLING),
    State.PLACED: (State.SETTLING, State.REFUNDING),
    State.SETTLING: (State.WON, State.LOST, State.SETTLEMENT_FAILED),
    State.REFUNDING: (State.REFUNDED, State.SETTLEMENT_FAILED),
    State.CANCELLING: (State.CANCELLED, State.SETTLEMENT_FAILED),
    State.SETTLEMENT_FAILED: (State.CANCELLING, State.SETTLING, State.REFUNDING),
}


class Result(models.TextChoices):
    WON = "won", "Won"
    LOST = "lost", "Lost"


class EndedBy(models.TextChoices):
    HAZARD = "hazard", "A hazard"
    LAST_STEP = "last_step", "The last step on offer"
    CASH_OUT = "cash_out", "Cash-out"
    ABANDONED = "abandoned", "No action within the time limit"
    NOT_PLACED = "not_placed", "The wallet did not take the stake"
