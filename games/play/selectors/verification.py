"""The proof of a bet: everything that decided it, in values that its player can check."""

from typing import Any

from games.play.currencies import CURRENCIES
from games.play.ladder import format_coefficient
from games.play.models import Bet, ClientSeedBy
from games.play.money import format_e4

PROVEN = "The client seed was set after the commitment was shown, and before the bet."
SERVER_MADE = "The server made the client seed, so the order of seeds proves nothing."
WRONG_ORDER = "The client seed was not set between the commitment and the bet."


def verification_of(bet: Bet) -> dict[str, Any]:
    """Return everything but seed and hazards for an open bet, and those too for an ended one."""
    decimals = CURRENCIES[bet.currency].decimals
    return {
        "bet_id": bet.pk,
        "state": bet.state,
        "difficulty": bet.difficulty,
        "columns": bet.columns,
        "hazard_count": bet.hazard_count,
        "hazards": bet.hazards,
        "server_seed": bet.server_seed or None,
        "hashed_server_seed": bet.commitment,
        "client_seed": bet.client_seed,
        "client_seed_by": bet.client_seed_by,
        "nonce": bet.nonce,
        "commitment_shown_at": bet.commitment_shown_at,
        "client_seed_set_at": bet.client_seed_set_at,
        "placed_at": bet.placed_at,
        "order": _order(bet),
        "coefficients": [format_coefficient(coefficient) for coefficient in bet.table],
        "steps_taken": bet.step,
        "ended_at_step": bet.ended_at_step,
        "last_step": bet.last_step,
        "currency": bet.currency,
        "bet_amount": format_e4(bet.stake_e4, decimals),
        "win_amount": None if bet.is_open else format_e4(bet.payout_e4 or 0, decimals),
    }


def _order(bet: Bet) -> dict[str, Any]:
    if bet.client_seed_by == ClientSeedBy.SERVER:
        return {"is_proven": False, "reason": SERVER_MADE}
    shown, chosen = bet.commitment_shown_at, bet.client_seed_set_at
    is_proven = shown is not None and chosen is not None and shown < chosen <= bet.placed_at
    return {"is_proven": is_proven, "reason": PROVEN if is_proven else WRONG_ORDER}
