"""The writer's work on the live view: apply pending games, rebuild the view, restore series.

Every function that takes a Writer must be called by the process that holds the writer's lock (`writer_session`).
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings

from analytics import view_settings
from analytics.columns import Columns
from analytics.conditions import Condition
from analytics.database import game_reads
from analytics.database.snapshots import consistent_reads
from analytics.live import pending, reader, rebuild, repairs, series
from analytics.live.apply_games import BATCH_GAMES, NoView, apply
from analytics.live.reader import ViewState
from analytics.live.writer_lock import Writer, writer_lock
from analytics.wakeup import clear_wakeup_marker, wake_writer
from cachecore import versions
from cachecore.clock import now_ms
from games.keys import GAMES

logger = logging.getLogger(__name__)

ProgressCallback = Callable[[int], None]  # receives the number of games that were read since the last call


def ignore_progress(games: int) -> None:
    """Ignore the progress report (default callback)."""


@dataclass(slots=True)
class ApplyResult:
    """The result of a writer's run: its batches, and the number of games by what happened to them."""

    batches: int = 0
    new: int = 0
    corrected: int = 0
    removed: int = 0
    unchanged: int = 0
    below: int = 0
    rebuilt: bool = False


class RebuildResult(NamedTuple):
    games: int
    version: int


@contextmanager
def writer_session(wait_seconds: float = 0.0) -> Iterator[Writer]:
    """Hold the writer's lock in the block, then wake the next writer if games are pending.

    Raises LockHeld if another writer still holds the lock after `wait_seconds`, RedisUnavailable.
    """
    with writer_lock(wait_seconds=wait_seconds) as writer:
        clear_wakeup_marker()
        yield writer
    # A save that found the marker during the session has enqueued no task, but had marked its games before. Clear the
    # marker first, then look for pending games: a save after the look finds no marker and enqueues a task itself.
    clear_wakeup_marker()
    if pending.size():
        wake_writer()


def apply_pending_games(writer: Writer, *, rebuild_every_seconds: float = 0) -> ApplyResult:
    """Apply all pending games, batch by batch.

    Changes of games below the ledger need a rebuild. A backfill makes some with each of its batches, so such a rebuild
    takes place at most once in `rebuild_every_seconds`.
    """
    result, conditions = ApplyResult(), view_settings.conditions()
    rebuild_every_ms = rebuild_every_seconds * 1000
    if rebuild.is_rebuild_needed(conditions, min_age_ms=rebuild_every_ms):
        build_view(writer)
        result.rebuilt = True
    batch: dict[int, int] = {}
    while True:
        view = reader.view_state()  # only this writer changes the view now
        if len(batch) < BATCH_GAMES:  # a backlog is applied without waiting for more games
            _debounce(view)
        batch = _with_unmarked_predecessors(view, pending.oldest(BATCH_GAMES))
        if not batch:
            break
        writer.extend()
        try:
            done = apply(writer, batch, game_reads.games_by_id(batch), conditions)
        except NoView:  # Redis was flushed during the run
            build_view(writer)
            result.rebuilt = True
            continue
        result.batches += 1
        for name in ("new", "corrected", "removed", "unchanged", "below"):
            setattr(result, name, getattr(result, name) + getattr(done, name))
    _finish_run(writer, conditions, result, rebuild_every_ms)
    return result


def _with_unmarked_predecessors(view: ViewState | None, batch: dict[int, int]) -> dict[int, int]:
    """Mark games pending that were saved while Redis was down, and return the batch with them.

    Most of them lie between the view's newest game and the newest game of the batch. Without this, results for that
    game would lack them until the next reconcile.
    """
    newest = view.newest if view is not None else None
    following = [game_id for game_id in batch if newest is not None and game_id > newest]
    if not following or newest is None or len(following) == max(following) - newest:
        return batch
    unmarked = _not_pending(game_reads.ids_between(newest, max(following)) - batch.keys())
    if not unmarked:
        return batch
    logger.info("%d games after %d were not marked pending", len(unmarked), newest)
    pending.mark(unmarked)
    return pending.oldest(BATCH_GAMES)


def _not_pending(ids: set[int]) -> list[int]:
    """Return the ids that are not pending. Marking a pending game again would make it look younger than it is."""
    return sorted(ids - pending.filter_pending(list(ids)))


def _finish_run(writer: Writer, conditions: Sequence[Condition], result: ApplyResult, rebuild_every_ms: float) -> None:
    """Do once per run what batches leave behind: a rebuild, or else the series that they removed."""
    if rebuild.is_rebuild_needed(conditions, min_age_ms=rebuild_every_ms):
        build_view(writer)
        result.rebuilt = True
    else:
        _restore_series(writer, conditions)
    repairs.count_applied_repairs()


def _restore_series(writer: Writer, conditions: Sequence[Condition]) -> None:
    """Recompute the series that changes of older games removed, also those that a killed writer left missing."""
    missing = series.missing(conditions)
    view = reader.view_state() if missing else None
    if view is None or view.changes_below_ledger:
        return
    retained = reader.chunks(list(reader.index()))
    dropped = Columns.empty() if view.holds_all_games else read_table(writer, below=view.oldest_retained_id)
    series.restore(writer, Columns.concatenate([dropped, retained]), missing)


def _debounce(view: ViewState | None) -> None:
    """Wait until ANALYTICS_VERSION_EVERY_MS have passed since the view's last version, so that games gather."""
    if view is None:
        return
    wait_ms = min(view.version - now_ms(), 0) + settings.ANALYTICS_VERSION_EVERY_MS
    if wait_ms > 0:
        time.sleep(wait_ms / 1000)


def read_table(writer: Writer, on_progress: ProgressCallback = ignore_progress, below: int | None = None) -> Columns:
    """Read all games of the table, or those with ids below `below`, from one snapshot of the database."""
    blocks = []
    with consistent_reads():
        for block in game_reads.all_blocks(below):
            writer.extend()
            on_progress(len(block))
            blocks.append(block)
    return Columns.concatenate(blocks)


def build_view(writer: Writer, on_progress: ProgressCallback = ignore_progress) -> RebuildResult:
    """Build the view from the table and swap it in."""
    if versions.current(GAMES) is None:  # lost together with the view; without it no response about games is cached
        versions.raise_version(GAMES)
    columns = read_table(writer, on_progress)
    newest = int(columns.ids[-1]) if len(columns) else None
    version = rebuild.rebuild(
        writer,
        columns,
        view_settings.conditions(),
        oldest_retained_id=view_settings.oldest_retained_id(newest),
        oldest_bucket=view_settings.oldest_bucket(),
    )
    logger.info("the view was built from %d games", len(columns))
    return RebuildResult(len(columns), version)
