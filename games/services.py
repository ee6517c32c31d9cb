"""Write games. Feed, API, import and admin all record games by `record_games`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max

from games import fairness
from games.links import Hashes, hashes_with_neighbours, is_linked, relink, relink_following
from games.models import Game
from games.rounds import TIME_FIELDS, Errors, Round, find_errors, find_order_errors, normalise
from games.signals import announce_changes

MAX_JUMP = 1_000_000  # ids ahead of the newest game; a wrong id further ahead would become the newest game
RACE_RETRIES = 3
REVERIFY_BATCH_GAMES = 500

REPORTED_FIELDS = ("hash", "crash_hundredths", *TIME_FIELDS)
DERIVED_FIELDS = ("calculated_hundredths", "verified", "linked", "formula")
WRITTEN_FIELDS = (*REPORTED_FIELDS, *DERIVED_FIELDS, "source", "updated_at")


RoundsById = Mapping[int, tuple[int, Round]]  # game id -> position in the call and round


@dataclass(slots=True)
class RecordResult:
    """The result of `record_games`: game ids by what was done with them."""

    created: list[int] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)

    @property
    def changed(self) -> list[int]:
        return [*self.created, *self.updated]


class RejectedRounds(Exception):
    """No round of the call was recorded. `errors` maps the position in the call to field -> reasons."""

    def __init__(self, errors: dict[int, Errors]) -> None:
        super().__init__(f"{len(errors)} round(s) rejected: {next(iter(errors.items()))}")
        self.errors = errors


def record_games(rounds: Sequence[Round], *, source: str, force: bool = False) -> RecordResult:
    """Upsert rounds by game id in one transaction, all or none. Identical repeats write nothing and send no signal.

    A value that a round does not report (None) keeps its stored value. A crash point that differs from the one the
    hash gives is stored and flagged (`verified` is false), never dropped. `force` allows ids more than MAX_JUMP ahead
    of the newest game. Raises RejectedRounds, django.db.Error.
    """
    rounds_by_id = _validated(rounds)
    for attempt in range(RACE_RETRIES):
        try:
            return _upsert(rounds_by_id, source, force)
        except IntegrityError:
            # Another process inserted one of these ids between our read and our write. The retry updates it.
            if attempt == RACE_RETRIES - 1:
                raise
    raise AssertionError("unreachable")


def validate_only(rounds: Sequence[Round], *, source: str, force: bool = False) -> None:
    """Raise RejectedRounds if `record_games` would; write nothing."""
    with transaction.atomic():
        record_games(rounds, source=source, force=force)
        transaction.set_rollback(True)


def reverify(ids: Sequence[int]) -> list[int]:
    """Recompute the derived fields of these games. Return the ids whose values changed."""
    changed: list[int] = []
    for start in range(0, len(ids), REVERIFY_BATCH_GAMES):
        changed += _reverify_batch(ids[start : start + REVERIFY_BATCH_GAMES])
    return changed


def _reverify_batch(ids: Sequence[int]) -> list[int]:
    with transaction.atomic():
        locked = list(Game.objects.select_for_update().filter(game_id__in=ids))
        hashes = hashes_with_neighbours(ids)
        stale = [game for game in locked if _update_derived_fields(game, hashes)]
        Game.objects.bulk_update(stale, DERIVED_FIELDS, batch_size=200)
        changed = [game.game_id for game in stale]
        if changed:
            announce_changes(changed)
    return changed


def _validated(rounds: Sequence[Round]) -> dict[int, tuple[int, Round]]:
    """Return the normalised rounds by game id, each with its position in the call. Raises RejectedRounds."""
    now = datetime.now(UTC)
    errors = {position: found for position, round_ in enumerate(rounds) if (found := find_errors(round_, now))}
    by_id: dict[int, tuple[int, Round]] = {}
    hashes: dict[str, int] = {}
    for position, round_ in enumerate(rounds):
        if position in errors:
            continue
        clean = normalise(round_)
        first_position, first = by_id.setdefault(clean.game_id, (position, clean))
        if first != clean:
            errors[position] = {"game_id": [f"Given twice with different values (first at {first_position})."]}
        elif clean.hash and hashes.setdefault(clean.hash, clean.game_id) != clean.game_id:
            errors[position] = {"hash": [f"Belongs to game {hashes[clean.hash]} in the same call."]}
    if errors:
        raise RejectedRounds(errors)
    return by_id


def _upsert(rounds_by_id: RoundsById, source: str, force: bool) -> RecordResult:
    result = RecordResult()
    created: list[Game] = []
    updated: list[Game] = []
    now = datetime.now(UTC)
    with transaction.atomic():
        stored = {game.game_id: game for game in Game.objects.select_for_update().filter(game_id__in=rounds_by_id)}
        _reject_conflicts(rounds_by_id, force)
        for game_id, (_, reported) in rounds_by_id.items():
            game = stored.get(game_id)
            if game is None:
                created.append(_apply_reported(Game(game_id=game_id), reported, source, now))
            elif _differs(game, reported):
                updated.append(_apply_reported(game, reported, source, now))
            else:
                result.unchanged.append(game_id)
        _reject_unordered_times(rounds_by_id, updated)
        changed = {game.game_id: game.hash for game in (*created, *updated)}
        hashes = hashes_with_neighbours(changed) | changed
        for game in (*created, *updated):
            _update_derived_fields(game, hashes)
        Game.objects.bulk_create(created, batch_size=500)
        _update_rows(updated)
        relink_following(changed, hashes)
        result.created = [game.game_id for game in created]
        result.updated = [game.game_id for game in updated]
        if result.changed:
            announce_changes(result.changed)
            transaction.on_commit(lambda: _relink_and_announce(result.changed), robust=True)
    return result


def _relink_and_announce(ids: Iterable[int]) -> None:
    """Relink the games after the commit and send the changes in a signal of their own.

    The signal of the commit itself was sent before, so its receivers may have read the old values of `linked`.
    """
    if relinked := relink(ids):
        announce_changes(relinked)


def _update_rows(games: Sequence[Game]) -> None:
    """Write locked rows in full by an upsert, which is ten times as fast as bulk_update's CASE per field and row."""
    Game.objects.bulk_create(
        games, batch_size=500, update_conflicts=True, unique_fields=["game_id"], update_fields=WRITTEN_FIELDS
    )


def _reject_conflicts(rounds_by_id: RoundsById, force: bool) -> None:
    """Raise RejectedRounds for hashes of other stored games, and for ids that are too far ahead."""
    errors: dict[int, Errors] = {}
    hashes = {round_.hash: (position, game_id) for game_id, (position, round_) in rounds_by_id.items() if round_.hash}
    for owner in Game.objects.filter(hash__in=hashes).only("hash"):
        position, game_id = hashes[str(owner.hash)]
        if owner.game_id != game_id:
            errors[position] = {"hash": [f"Belongs to game {owner.game_id}."]}
    newest = Game.objects.aggregate(newest=Max("game_id"))["newest"]
    if newest is not None and not force:
        for game_id, (position, _) in rounds_by_id.items():
            if game_id > newest + MAX_JUMP:
                reason = f"More than {MAX_JUMP} ahead of the newest game, {newest}. If it is right, use force."
                errors[position] = {"game_id": [reason]}
    if errors:
        raise RejectedRounds(errors)


def _reject_unordered_times(rounds_by_id: RoundsById, updated: Iterable[Game]) -> None:
    """Raise RejectedRounds if reported times, valid by themselves, are out of order beside the stored times."""
    errors = {rounds_by_id[game.game_id][0]: found for game in updated if (found := find_order_errors(game))}
    if errors:
        raise RejectedRounds(errors)


def _differs(game: Game, reported: Round) -> bool:
    values = {name: getattr(reported, name) for name in REPORTED_FIELDS}
    return any(value is not None and value != getattr(game, name) for name, value in values.items())


def _apply_reported(game: Game, reported: Round, source: str, now: datetime) -> Game:
    for name in REPORTED_FIELDS:
        value = getattr(reported, name)
        if value is not None:
            setattr(game, name, value)
    game.source = source
    game.updated_at = now
    return game


def _update_derived_fields(game: Game, hashes: Hashes) -> bool:
    """Set the fields that follow from the game's hash and crash point and the previous game's hash.

    Return True if a field changed.
    """
    before = [getattr(game, name) for name in DERIVED_FIELDS]
    verdict = fairness.verify(settings.SITE, game.game_id, game.hash, game.crash_hundredths)
    game.calculated_hundredths = verdict.calculated_hundredths
    game.verified = verdict.verified
    game.linked = is_linked(game.game_id, game.hash, hashes.get(game.game_id - 1))
    game.formula = verdict.formula or ""
    return before != [getattr(game, name) for name in DERIVED_FIELDS]
