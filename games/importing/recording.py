"""A batch of rounds on its way into the table."""

from dataclasses import dataclass, field

from django.db import transaction

from games.importing.counts import Counts
from games.importing.values import reason_of
from games.models import Game
from games.rounds import Round
from games.services import Recorded, RejectedRounds, record_games


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`dry_run` records each batch and rolls it back. `force` as in `record_games`."""

    batch_size: int = 500
    dry_run: bool = False
    force: bool = False


@dataclass(slots=True)
class Outcome:
    counts: Counts = field(default_factory=Counts)
    rejected: list[tuple[Round, str]] = field(default_factory=list)


class Batch:
    def __init__(self, *, source: str, options: Options) -> None:
        self._source = source
        self._options = options
        self._rounds: list[Round] = []

    @property
    def full(self) -> bool:
        return len(self._rounds) >= self._options.batch_size

    def add(self, told: Round) -> None:
        self._rounds.append(told)

    def record(self) -> Outcome:
        """Record what can be recorded, in one transaction; the batch is empty afterwards."""
        outcome = Outcome()
        rounds, self._rounds = self._rounds, []
        while rounds:  # each turn takes out what the one before refused
            try:
                with transaction.atomic():
                    self._record(rounds, outcome.counts)
                break
            except RejectedRounds as refusal:
                outcome.rejected += [(rounds[at], reason_of(errors)) for at, errors in sorted(refusal.errors.items())]
                rounds = [told for at, told in enumerate(rounds) if at not in refusal.errors]
        return outcome

    def _record(self, rounds: list[Round], counts: Counts) -> None:
        recorded = record_games(rounds, source=self._source, force=self._options.force)
        counts.created = len(recorded.created)
        counts.updated = len(recorded.updated)
        counts.unchanged = len(recorded.unchanged)
        counts.mismatched = _mismatched(recorded)
        if self._options.dry_run:
            transaction.set_rollback(True)


def _mismatched(recorded: Recorded) -> int:
    return Game.objects.filter(game_id__in=recorded.changed, verified=False).count() if recorded.changed else 0
