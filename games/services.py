"""Writes. `record_games` is the one way in: feed, API, files and admin."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max

from games import fairness
from games.links import Hashes, hashes_around, linked, relink, relink_following
from games.models import Game
from games.rounds import TIME_FIELDS, Errors, Round, check, check_order, normalise
from games.signals import announce

MAX_JUMP = 1_000_000  # ids ahead of the newest game; further, a rogue id would become the head
RACE_RETRIES = 3
VERIFIED_PER_TRANSACTION = 500

TOLD_FIELDS = ("hash", "crash_hundredths", *TIME_FIELDS)
DERIVED_FIELDS = ("calculated_hundredths", "verified", "linked", "formula")
WRITTEN_FIELDS = (*TOLD_FIELDS, *DERIVED_FIELDS, "source", "updated_at")


@dataclass(slots=True)
class Recorded:
    """What a call did, by game id."""

    created: list[int] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)

    @property
    def changed(self) -> list[int]:
        return [*self.created, *self.updated]


class RejectedRounds(Exception):
    """Nothing was written. `errors` says why: position in the call -> field -> reasons."""

    def __init__(self, errors: dict[int, Errors]) -> None:
        super().__init__(f"{len(errors)} round(s) rejected: {next(iter(errors.items()))}")
        self.errors = errors


def record_games(rounds: Sequence[Round], *, source: str, force: bool = False) -> Recorded:
    """Upsert by game id in one transaction; all or nothing. Identical repeats write nothing and wake nobody.

    What a round does not say (None) keeps its known value. A crash point that the hash does not give is stored
    and flagged (`verified` false), never dropped. `force` allows ids more than MAX_JUMP ahead of the newest game.
    Raises RejectedRounds, django.db.Error.
    """
    told = _accepted(rounds)
    for attempt in range(RACE_RETRIES):
        try:
            return _upsert(told, source, force)
        except IntegrityError:
            # Somebody inserted one of these ids between our read and our write: it is an update now.
            if attempt == RACE_RETRIES - 1:
                raise
    raise AssertionError("unreachable")


def refuse(rounds: Sequence[Round], *, source: str, force: bool = False) -> None:
    """Raise RejectedRounds as `record_games` would; write nothing."""
    with transaction.atomic():
        record_games(rounds, source=source, force=force)
        transaction.set_rollback(True)


def verify_again(ids: Sequence[int]) -> list[int]:
    """Derive `verified`, `calculated_hundredths` and `formula` anew; returns the ids whose values changed."""
    changed: list[int] = []
    for start in range(0, len(ids), VERIFIED_PER_TRANSACTION):
        changed += _verify_again(ids[start : start + VERIFIED_PER_TRANSACTION])
    return changed


def _verify_again(ids: Sequence[int]) -> list[int]:
    with transaction.atomic():
        locked = list(Game.objects.select_for_update().filter(game_id__in=ids))
        hashes = hashes_around(ids)
        stale = [game for game in locked if _derive(game, hashes)]
        Game.objects.bulk_update(stale, DERIVED_FIELDS, batch_size=200)
        changed = [game.game_id for game in stale]
        if changed:
            announce(changed)
    return changed


def _accepted(rounds: Sequence[Round]) -> dict[int, tuple[int, Round]]:
    """The rounds by game id, each with its position in the call."""
    now = datetime.now(UTC)
    errors = {position: found for position, told in enumerate(rounds) if (found := check(told, now))}
    by_id: dict[int, tuple[int, Round]] = {}
    hashes: dict[str, int] = {}
    for position, told in enumerate(rounds):
        if position in errors:
            continue
        clean = normalise(told)
        first_position, first = by_id.setdefault(clean.game_id, (position, clean))
        if first != clean:
            errors[position] = {"game_id": [f"Told twice with different values (first at {first_position})."]}
        elif clean.hash and hashes.setdefault(clean.hash, clean.game_id) != clean.game_id:
            errors[position] = {"hash": [f"Belongs to game {hashes[clean.hash]} in the same call."]}
    if errors:
        raise RejectedRounds(errors)
    return by_id


def _upsert(told: Mapping[int, tuple[int, Round]], source: str, force: bool) -> Recorded:
    recorded = Recorded()
    created: list[Game] = []
    updated: list[Game] = []
    now = datetime.now(UTC)
    with transaction.atomic():
        known = {game.game_id: game for game in Game.objects.select_for_update().filter(game_id__in=told)}
        _refuse_conflicts(told, force)
        for game_id, (_, round_) in told.items():
            game = known.get(game_id)
            if game is None:
                created.append(_fill(Game(game_id=game_id), round_, source, now))
            elif _differs(game, round_):
                updated.append(_fill(game, round_, source, now))
            else:
                recorded.unchanged.append(game_id)
        _refuse_disorder(told, updated)
        changed = {game.game_id: game.hash for game in (*created, *updated)}
        hashes = hashes_around(changed) | changed
        for game in (*created, *updated):
            _derive(game, hashes)
        Game.objects.bulk_create(created, batch_size=500)
        _overwrite(updated)
        relink_following(changed, hashes)
        recorded.created = [game.game_id for game in created]
        recorded.updated = [game.game_id for game in updated]
        if recorded.changed:
            announce(recorded.changed)
            transaction.on_commit(lambda: _relink_and_announce(recorded.changed), robust=True)
    return recorded


def _relink_and_announce(ids: Iterable[int]) -> None:
    """After the commit, whose word is out already: who has answered since must hear of what changes now."""
    if relinked := relink(ids):
        announce(relinked)


def _overwrite(games: Sequence[Game]) -> None:
    """Write rows that are locked and known in full. An upsert: ten times as fast as a CASE per field and row."""
    Game.objects.bulk_create(
        games, batch_size=500, update_conflicts=True, unique_fields=["game_id"], update_fields=WRITTEN_FIELDS
    )


def _refuse_conflicts(told: Mapping[int, tuple[int, Round]], force: bool) -> None:
    errors: dict[int, Errors] = {}
    hashes = {round_.hash: (position, game_id) for game_id, (position, round_) in told.items() if round_.hash}
    for owner in Game.objects.filter(hash__in=hashes).only("hash"):
        position, game_id = hashes[str(owner.hash)]
        if owner.game_id != game_id:
            errors[position] = {"hash": [f"Belongs to game {owner.game_id}."]}
    newest = Game.objects.aggregate(newest=Max("game_id"))["newest"]
    if newest is not None and not force:
        for game_id, (position, _) in told.items():
            if game_id > newest + MAX_JUMP:
                errors[position] = {
                    "game_id": [f"More than {MAX_JUMP} ahead of the newest game, {newest}; force it if it is right."]
                }
    if errors:
        raise RejectedRounds(errors)


def _refuse_disorder(told: Mapping[int, tuple[int, Round]], updated: Iterable[Game]) -> None:
    """What is told may be in order and what results of it not."""
    errors = {told[game.game_id][0]: found for game in updated if (found := check_order(game))}
    if errors:
        raise RejectedRounds(errors)


def _differs(game: Game, told: Round) -> bool:
    return any(
        value is not None and value != getattr(game, name) for name in TOLD_FIELDS for value in (getattr(told, name),)
    )


def _fill(game: Game, told: Round, source: str, now: datetime) -> Game:
    for name in TOLD_FIELDS:
        value = getattr(told, name)
        if value is not None:
            setattr(game, name, value)
    game.source = source
    game.updated_at = now
    return game


def _derive(game: Game, hashes: Hashes) -> bool:
    """Set what follows from its hash, its crash point and the hash of the game before; whether anything changed."""
    before = [getattr(game, name) for name in DERIVED_FIELDS]
    verdict = fairness.verify(settings.SITE, game.game_id, game.hash, game.crash_hundredths)
    game.calculated_hundredths = verdict.calculated_hundredths
    game.verified = verdict.verified
    game.linked = linked(game.game_id, game.hash, hashes.get(game.game_id - 1))
    game.formula = verdict.formula or ""
    return before != [getattr(game, name) for name in DERIVED_FIELDS]
