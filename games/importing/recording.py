"""Record rounds in batches."""

from dataclasses import dataclass, field

from django.db import transaction

from games.importing.counts import Counts
from games.importing.values import describe_errors
from games.models import Game
from games.rounds import Round
from games.services import RecordResult, RejectedRounds, record_games


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of an import. `dry_run` records each batch and rolls it back; `force` is that of `record_games`."""

    batch_size: int = 500
    dry_run: bool = False
    force: bool = False


@dataclass(slots=True)
class BatchResult:
    counts: Counts = field(default_factory=Counts)
    rejected: list[tuple[Round, str]] = field(default_factory=list)


class Batch:
    """Rounds that are recorded together in one transaction."""

    def __init__(self, *, source: str, options: Options) -> None:
        self._source = source
        self._options = options
        self._rounds: list[Round] = []

    @property
    def full(self) -> bool:
        return len(self._rounds) >= self._options.batch_size

    def add(self, round_: Round) -> None:
        self._rounds.append(round_)

    def record(self) -> BatchResult:
        """Record the valid rounds in one transaction and empty the batch. Return counts and rejected rounds."""
        result = BatchResult()
        rounds, self._rounds = self._rounds, []
        while rounds:  # each turn removes the rounds that the previous turn rejected
            try:
                with transaction.atomic():
                    self._record(rounds, result.counts)
                break
            except RejectedRounds as rejection:
                result.rejected += [(rounds[at], describe_errors(why)) for at, why in sorted(rejection.errors.items())]
                rounds = [round_ for at, round_ in enumerate(rounds) if at not in rejection.errors]
        return result

    def _record(self, rounds: list[Round], counts: Counts) -> None:
        recorded = record_games(rounds, source=self._source, force=self._options.force)
        counts.created = len(recorded.created)
        counts.updated = len(recorded.updated)
        counts.unchanged = len(recorded.unchanged)
        counts.mismatched = _count_mismatched(recorded)
        if self._options.dry_run:
            transaction.set_rollback(True)


def _count_mismatched(recorded: RecordResult) -> int:
    return Game.objects.filter(game_id__in=recorded.changed, verified=False).count() if recorded.changed else 0
