"""Seeds: shown, chosen by the player, used by one bet, and replaced when play on it ends.

The order is what proves a bet: commitment first, then the client seed, then the bet.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F

from games.play import draw
from games.play.callers import Caller
from games.play.clock import DatabaseNow, later_than
from games.play.errors import ActiveSessionExists, CommitmentChanged, CommitmentNotShown
from games.play.models import OPEN, Bet, Seeds
from games.play.seed_encryption import decrypt_seed, encrypt_seed
from games.times import to_milliseconds


class LockedSeeds(NamedTuple):
    """Seeds whose row is locked until the transaction ends, and the database's time."""

    seeds: Seeds
    now: datetime


@transaction.atomic
def show_seeds(*, caller: Caller) -> Seeds:
    """Return the seeds of the caller's next bet. That the commitment was shown is committed before it is sent."""
    seeds, now = lock_seeds(caller)
    if seeds.commitment_shown_at is None:
        _save(seeds, commitment_shown_at=now)
    return seeds


@transaction.atomic
def set_client_seed(*, caller: Caller, client_seed: str) -> Seeds:
    """Set the client seed of the next bet. Raise ActiveSessionExists or CommitmentNotShown."""
    seeds, now = lock_seeds(caller)
    refuse_open_bet(caller)
    choose_client_seed(seeds, client_seed, now)
    return seeds


def choose_client_seed(seeds: Seeds, client_seed: str, now: datetime) -> None:
    """Store the player's seed with its time, which is after that of the commitment. Raise CommitmentNotShown."""
    if seeds.commitment_shown_at is None:
        raise CommitmentNotShown
    _save(seeds, client_seed=client_seed, client_seed_set_at=later_than(now, seeds.commitment_shown_at))


def refuse_open_bet(caller: Caller) -> None:
    """Raise ActiveSessionExists if the caller has an open bet. The caller's seeds must be locked."""
    bet = (
        Bet.objects.filter(user=caller.user, agent=caller.agent, state__in=OPEN).select_related("agent", "user").first()
    )
    if bet is not None:
        raise ActiveSessionExists(bet=bet)


def check_commitment(seeds: Seeds, commitment: str | None) -> None:
    """Raise CommitmentChanged unless a commitment that a client names is the current one and was shown."""
    if commitment is not None and (commitment != seeds.commitment or seeds.commitment_shown_at is None):
        raise CommitmentChanged


def lock_seeds(caller: Caller) -> LockedSeeds:
    """Lock the caller's seeds; make them if there are none. Bets and seed changes of one caller wait for each other."""
    found = _lock(caller)
    if found is None:
        fresh = Seeds(user=caller.user, agent=caller.agent, **_new_seed())
        Seeds.objects.bulk_create([fresh], ignore_conflicts=True)  # another request may do the same at once
        found = _lock(caller)
    if found is None:
        raise LookupError(f"the seeds of user {caller.user.pk} with {caller.agent} disappeared")
    return found


def rotate_seeds(bet: Bet) -> None:
    """Replace the seed that served a bet. Runs in the transaction that ends play on the bet.

    Raise RuntimeError if the seed is not the current one: one seed serves exactly one bet.
    """
    rotated = Seeds.objects.filter(user=bet.user, agent=bet.agent, commitment=bet.commitment, nonce=bet.nonce).update(
        **_new_seed(), commitment_shown_at=None, client_seed="", client_seed_set_at=None, nonce=F("nonce") + 1
    )
    if not rotated:
        raise RuntimeError(f"The seeds of bet {bet.pk} are not the current ones.")


def draw_hazards(bet: Bet) -> tuple[str, tuple[int, ...]]:
    """Return the server seed and the hazards of an open bet. Raise SeedsUnavailable."""
    server_seed = decrypt_seed(bet.encrypted_seed, bet.commitment)
    lane = bet.lane
    hazards = draw.draw_hazards(server_seed, bet.client_seed, bet.nonce, columns=lane.columns, hazards=lane.hazards)
    return server_seed, hazards


def _lock(caller: Caller) -> LockedSeeds | None:
    rows: Any = Seeds.objects.select_for_update(no_key=True).annotate(now=DatabaseNow())
    seeds = rows.filter(user=caller.user, agent=caller.agent).first()
    return None if seeds is None else LockedSeeds(seeds, to_milliseconds(seeds.now))


def _save(seeds: Seeds, **values: Any) -> None:
    Seeds.objects.filter(pk=seeds.pk).update(**values)
    for name, value in values.items():
        setattr(seeds, name, value)


def _new_seed() -> dict[str, str]:
    server_seed = draw.new_server_seed()
    return {"encrypted_seed": encrypt_seed(server_seed), "commitment": draw.commitment_of(server_seed)}
