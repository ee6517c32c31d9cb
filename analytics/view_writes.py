"""The writer's work on the view, for whoever holds its lock: apply what is pending, build anew, compute series."""

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

ProgressCallback = Callable[[int], None]  # hears how many games were read


def ignore_progress(games: int) -> None:
    """Hears, and says nothing."""


@dataclass(slots=True)
class ApplyResult:
    """What a writer's run did, by number of games."""

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
    """Be the writer, and wake the next one where games were marked meanwhile. Raises LockHeld, RedisUnavailable."""
    with writer_lock(wait_seconds=wait_seconds) as writer:
        clear_wakeup_marker()
        yield writer
    # Saves marked their games before they found a writer woken: from here on they wake the next one themselves.
    clear_wakeup_marker()
    if pending.size():
        wake_writer()


def apply_pending_games(writer: Writer, *, below_after_seconds: float = 0) -> ApplyResult:
    """Apply what is marked. Changes below the ledger are taken in by building the view anew, if it was built so long
    ago: a backfill down there makes some with each of its batches.
    """
    applied, conditions = ApplyResult(), view_settings.conditions()
    below_after_ms = below_after_seconds * 1000
    if rebuild.is_rebuild_needed(conditions, min_age_ms=below_after_ms):
        build_view(writer)
        applied.rebuilt = True
    marked: dict[int, int] = {}
    while True:
        view = reader.view_state()  # nobody else moves it meanwhile
        if len(marked) < BATCH_GAMES:  # a backlog needs no gathering
            _debounce(view)
        marked = _with_unmarked_predecessors(view, pending.oldest(BATCH_GAMES))
        if not marked:
            break
        writer.extend()
        try:
            done = apply(writer, marked, game_reads.games_by_id(marked), conditions)
        except NoView:  # Redis was flushed under us
            build_view(writer)
            applied.rebuilt = True
            continue
        applied.batches += 1
        for name in ("new", "corrected", "removed", "unchanged", "below"):
            setattr(applied, name, getattr(applied, name) + getattr(done, name))
    _finish_run(writer, conditions, applied, below_after_ms)
    return applied


def _with_unmarked_predecessors(view: ViewState | None, marked: dict[int, int]) -> dict[int, int]:
    """What was saved while Redis was away is marked by nobody. Most of it lies between the view's head and the newest
    game that is marked, and without it that game's answers would lack them until the next reconciling."""
    head = view.newest if view is not None else None
    following = [game_id for game_id in marked if head is not None and game_id > head]
    if not following or head is None or len(following) == max(following) - head:
        return marked
    unmarked = _not_pending(game_reads.ids_between(head, max(following)) - marked.keys())
    if not unmarked:
        return marked
    logger.info("%d games after %d were not marked", len(unmarked), head)
    pending.mark(unmarked)
    return pending.oldest(BATCH_GAMES)


def _not_pending(ids: set[int]) -> list[int]:
    """Those that do not wait already: marked anew, they would look younger than they are."""
    return sorted(ids - pending.filter_pending(list(ids)))


def _finish_run(writer: Writer, conditions: Sequence[Condition], applied: ApplyResult, below_after_ms: float) -> None:
    """What a batch leaves to be done once: what the ledger alone could not tell, and series that it broke."""
    if rebuild.is_rebuild_needed(conditions, min_age_ms=below_after_ms):
        build_view(writer)
        applied.rebuilt = True
    else:
        _restore_series(writer, conditions)
    repairs.count_applied_repairs()


def _restore_series(writer: Writer, conditions: Sequence[Condition]) -> None:
    """Compute anew what changes of older games removed; a writer that was killed before leaves it to the next."""
    lost = series.missing(conditions)
    view = reader.view_state() if lost else None
    if view is None or view.changes_below_ledger:
        return
    kept = reader.chunks(list(reader.index()))
    dropped = Columns.empty() if view.holds_all_games else read_table(writer, below=view.oldest_retained_id)
    series.restore(writer, Columns.concatenate([dropped, kept]), lost)


def _debounce(view: ViewState | None) -> None:
    if view is None:
        return
    wait_ms = min(view.version - now_ms(), 0) + settings.ANALYTICS_VERSION_EVERY_MS
    if wait_ms > 0:
        time.sleep(wait_ms / 1000)


def read_table(writer: Writer, on_progress: ProgressCallback = ignore_progress, below: int | None = None) -> Columns:
    blocks = []
    with consistent_reads():
        for block in game_reads.all_blocks(below):
            writer.extend()
            on_progress(len(block))
            blocks.append(block)
    return Columns.concatenate(blocks)


def build_view(writer: Writer, on_progress: ProgressCallback = ignore_progress) -> RebuildResult:
    if versions.current(GAMES) is None:  # lost with the view; without one no answer about games is kept
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
