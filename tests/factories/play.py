"""Rows of the step game, made without its services."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import User

from games.play.difficulties import LANES
from games.play.models import HOUSE, Agent, Bet, ClientSeedBy, EndedBy, State

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENDING = {
    "encrypted_seed": "",
    "server_seed": "5e" * 32,
    "hazards": [3, 7, 12],
    "first_hazard": 3,
    "ended_at": NOW,
}
WON = {**ENDING, "ended_by": EndedBy.CASH_OUT, "result": "won", "step": 1, "payout_e4": 11_000}
LOST = {**ENDING, "ended_by": EndedBy.HAZARD, "result": "lost", "payout_e4": 0, "ended_at_step": 1}

_numbers = count()


def make_user(name: str = "ada") -> User:
    return User.objects.get_or_create(username=name)[0]


def make_bet(user: User | None = None, **values: Any) -> Bet:
    """Create a placed bet of 1.00 on EASY, with other values where some are given."""
    number, lane = next(_numbers), LANES["EASY"]
    defaults = {
        "user": user or make_user(),
        "agent": Agent.objects.get(code=HOUSE),
        "transaction_id": f"transaction-{number}",
        "currency": "FUN",
        "stake_e4": 10_000,
        "max_win_e4": 100_000_000,
        "difficulty": "EASY",
        "columns": lane.columns,
        "hazard_count": lane.hazards,
        "table": [110, 122, 136],
        "last_step": 3,
        "nonce": number,
        "commitment": "c0" * 32,
        "client_seed": "c1" * 8,
        "client_seed_by": ClientSeedBy.SERVER,
        "encrypted_seed": "encrypted",
        "previous_state": State.PLACING,
        "state": State.PLACED,
        "placed_at": NOW,
        "last_action_at": NOW,
        "expires_at": NOW + timedelta(hours=1),
    }
    return Bet.objects.create(**{**defaults, **values})
