"""What the step game refuses, with the code and the HTTP status that say so."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from games.play.models import Bet


class PlayError(Exception):
    """A refusal. `bet` is the bet whose session the answer carries, `retry_after` is in seconds."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = ""
    detail = ""
    retry_after: ClassVar[int | None] = None

    def __init__(
        self, detail: str = "", *, bet: "Bet | None" = None, errors: dict[str, list[str]] | None = None
    ) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.bet = bet
        self.errors = errors


class InvalidBetAmount(PlayError):
    status, code = 400, "invalid_bet_amount"

    def __init__(self, reason: str) -> None:
        super().__init__("Invalid input.", errors={"amount": [reason]})


class InvalidCurrency(PlayError):
    status, code = 400, "invalid_currency"

    def __init__(self, offered: list[str]) -> None:
        reason = f"Expected one of {', '.join(offered)}." if offered else "This agent offers no currency."
        super().__init__("Invalid input.", errors={"currency": [reason]})


class KeyRequired(PlayError):
    status, code = 400, "idempotency_key_required"
    detail = "Send an Idempotency-Key header of 1 to 255 printable ASCII characters."


class AgentInactive(PlayError):
    status, code = 403, "agent_inactive"
    detail = "This agent takes no new bets."


class PlayerLimited(PlayError):
    """A limit that the player has set refuses a new bet until a time."""

    status, code = 403, "player_limit"

    def __init__(self, limit: str, until: datetime) -> None:
        super().__init__("A limit that you have set allows no new bet now.")
        self.limit = limit
        self.until = until


class LimitCannotBeShortened(PlayError):
    """A pause or a self-exclusion that lasts still cannot end earlier."""

    code = "limit_cannot_be_shortened"

    def __init__(self, name: str, until: datetime) -> None:
        super().__init__("A pause or self-exclusion cannot be shortened.")
        self.errors = {name: [f"Must be {until:%Y-%m-%dT%H:%M:%SZ} or later."]}


class NotFound(PlayError):
    status, code = 404, "not_found"
    detail = "Not found."


class NoSession(PlayError):
    status, code = 404, "no_active_session"
    detail = "There is no bet yet."


class ActiveSessionExists(PlayError):
    code = "active_session_exists"
    detail = "A bet is open. End it first."


class CommitmentChanged(PlayError):
    code = "commitment_changed"
    detail = "The commitment is no longer the current one. Read the seeds again."


class CommitmentNotShown(PlayError):
    code = "commitment_not_shown"
    detail = "The client seed must be set after the commitment was shown. Read the seeds first."


class NoActiveSession(PlayError):
    code = "no_active_session"
    detail = "This bet is not open."


class InvalidStepSequence(PlayError):
    code = "invalid_step_sequence"
    detail = "The step must be the one after the last step taken."


class NothingToCashOut(PlayError):
    code = "nothing_to_cash_out"
    detail = "Take at least one step before cashing out."


class InsufficientBalance(PlayError):
    code = "insufficient_balance"
    detail = "The balance is lower than the bet."


class AgentRejected(PlayError):
    code = "agent_rejected"
    detail = "The agent's wallet refused the bet."


class TopUpUnavailable(PlayError):
    code = "topup_unavailable"


class RequestInProgress(PlayError):
    code = "request_in_progress"
    detail = "A request with this Idempotency-Key is in progress."
    retry_after = 1


class KeyReused(PlayError):
    status, code = 422, "idempotency_key_reused"
    detail = "This Idempotency-Key was used for another request. Use a new one."


class TooManyGuests(PlayError):
    status, code = 429, "too_many_guests"
    detail = "Too many guests were made from this address or in all. Try again later, or log in."
    retry_after = 60 * 60


class WalletOutcomeUnknown(PlayError):
    status, code = 502, "wallet_outcome_unknown"
    detail = "The agent's wallet did not answer in time. The bet is cancelled and its stake is returned."


class AgentUnavailable(PlayError):
    status, code = 503, "agent_unavailable"
    detail = "The agent's wallet does not answer."
    retry_after = 60


class InvalidStoredConfiguration(PlayError):
    status, code = 503, "invalid_difficulty_config"
    detail = "The configuration of the game is invalid. No bet is taken until an operator corrects it."
    retry_after = 60


class SeedsUnavailable(PlayError):
    status, code = 503, "seeds_unavailable"
    detail = "The seeds cannot be read or written. The error is logged."
    retry_after = 60
