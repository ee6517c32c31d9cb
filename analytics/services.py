"""Writes to the view: mark, wake, apply, reconcile, trim, rebuild."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings

from analytics import table
from analytics.columns import Columns
from analytics.conditions import Condition, parse_names
from analytics.live import pending, reader, rebuild, repairs, retention, series
from analytics.live.apply import BATCH_GAMES, NoView, apply
from analytics.live.drift import Drift, drifts
from analytics.live.keys import CHUNK_GAMES
from analytics.live.ledger import differing
from analytics.live.writer import Overtaken, Writer, the_writer
from analytics.waking import awake, wake_writer
from cachecore import versions
from cachecore.clock import now_ms
from cachecore.connections import RoleUnavailable
from cachecore.locks import LockHeld
from games.keys import GAMES

logger = logging.getLogger(__name__)

DRIFT_LOOKS = 3

Told = Callable[[int], None]  # hears how many games were read


@dataclass(slots=True)
class Applied:
    """What a writer's run did, by number of games."""

    batches: int = 0
    new: int = 0
    corrected: int = 0
    removed: int = 0
    unchanged: int = 0
    below: int = 0
    rebuilt: bool = False


def conditions() -> list[Condition]:
    return parse_names(settings.ANALYTICS_CONDITIONS)


def games_changed(ids: Sequence[int]) -> None:
    """These rows changed: mark them and wake a writer. Never fails a save; `reconcile` finds what is lost here."""
    try:
        pending.mark(ids)
        wake_writer()
    except RoleUnavailable as error:
        logger.warning("%d changed games were not marked: %s", len(ids), error)


def apply_pending() -> Applied | None:
    """Apply every pending game, a batch at a time; build the view first where there is none.

    Returns None when another writer is at it. Raises RoleUnavailable, django.db.Error; what was not applied stays
    pending.
    """
    try:
        with the_writer() as writer:
            awake()
            applied = _apply_all(writer)
    except LockHeld:
        return None  # what woke us stays said, so that saves wake no second one; the writer looks again when it ends
    except Overtaken:
        logger.warning("a newer writer took over")
        return None
    # Saves marked their games before they found a writer woken: from here on they wake the next one themselves.
    awake()
    if pending.size():
        wake_writer()
    return applied


class Built(NamedTuple):
    games: int
    version: int


def rebuild_view(*, wait_seconds: float = 0.0, told: Told = lambda games: None) -> Built:
    """Build the view from the table and swap it in; `told` hears of the games as they are read.

    Raises LockHeld, Overtaken, RoleUnavailable, django.db.Error.
    """
    with the_writer(wait_seconds=wait_seconds) as writer:
        return _rebuild(writer, told)


def reconcile(numbers: Iterable[int]) -> dict[str, int]:
    """Compare ledger and table chunk by chunk and mark every id that differs. Only marks: the writer repairs.

    Raises RoleUnavailable, django.db.Error.
    """
    checked = drift = 0
    view = reader.head()
    for number in numbers:
        if view is None or number * CHUNK_GAMES < view.floor:
            continue
        ids = differing(reader.chunks([number]), table.chunk(number)).tolist()
        unmarked = sorted(set(ids) - pending.waiting(ids))  # what waits to be applied is no drift
        checked += 1
        if unmarked:
            drift += len(unmarked)
            pending.mark(unmarked)
            repairs.found_games(unmarked)
    if drift:
        logger.warning("reconcile marked %d games in %d chunks", drift, checked)
        versions.raise_version(GAMES)  # whoever could not mark them could not raise it either
    return {"chunks": checked, "marked": drift}


def find_drift(*, wait_seconds: float = 0.0) -> list[Drift]:
    """Apply what is pending, then hold every cell of the view against the table; repairs nothing.

    A game saved while the table is read may look like drift: then it is pending, and the look is repeated.
    Raises LockHeld, Overtaken, RoleUnavailable, django.db.Error.
    """
    with the_writer(wait_seconds=wait_seconds) as writer:
        for _ in range(DRIFT_LOOKS):
            _apply_all(writer)
            view = reader.head()
            columns = _read_table(writer)
            found = list(drifts(view, columns, conditions())) if view is not None else []
            if not found or not pending.size():
                break
    return found


def mend_aggregates() -> int:
    """Rebuild the view when a cell of it differs from the table; returns how many did.

    Raises LockHeld, Overtaken, RoleUnavailable, django.db.Error.
    """
    found = find_drift()
    if found:
        logger.warning("%d cells of the view differ from the table, such as %s: rebuilding", len(found), found[0])
        rebuild_view()
        repairs.mended_cells(len(found))
    return len(found)


def newest_chunks() -> list[int]:
    return table.newest_chunk_numbers(2)


def all_chunks() -> list[int]:
    return sorted({*table.chunk_numbers(), *reader.index()})


def clean_up() -> retention.Trimmed | None:
    """Drop expired buckets and ledger chunks. None when another writer is at work: the next run will do it."""
    view = reader.head()
    if view is None:
        return None
    try:
        with the_writer() as writer:
            return retention.trim(writer, conditions(), _ledger_floor(view.newest), _bucket_floor())
    except (LockHeld, Overtaken):
        return None


def _apply_all(writer: Writer) -> Applied:
    applied, configured = Applied(), conditions()
    if rebuild.needed(configured):
        _rebuild(writer)
        applied.rebuilt = True
    while True:
        _let_games_gather()
        marked = pending.oldest(BATCH_GAMES)
        if not marked:
            _restore_series(writer, configured)
            repairs.settle()
            return applied
        writer.go_on()
        try:
            done = apply(writer, marked, table.rows_of(marked), configured)
        except NoView:  # Redis was flushed under us
            _rebuild(writer)
            applied.rebuilt = True
            continue
        applied.batches += 1
        for name in ("new", "corrected", "removed", "unchanged", "below"):
            setattr(applied, name, getattr(applied, name) + getattr(done, name))


def _restore_series(writer: Writer, configured: Sequence[Condition]) -> None:
    """Compute anew what changes of older games removed; a writer that was killed before leaves it to the next."""
    lost = series.missing(configured)
    view = reader.head() if lost else None
    if view is None or view.below:
        return
    kept = reader.chunks(list(reader.index()))
    dropped = Columns.empty() if view.holds_all else _read_table(writer, below=view.floor)
    series.restore(writer, Columns.joined([dropped, kept]), lost)


def _let_games_gather() -> None:
    view = reader.head()
    if view is None:
        return
    wait_ms = min(view.version - now_ms(), 0) + settings.ANALYTICS_VERSION_EVERY_MS
    if wait_ms > 0:
        time.sleep(wait_ms / 1000)


def _read_table(writer: Writer, told: Told = lambda games: None, below: int | None = None) -> Columns:
    blocks = []
    for block in table.blocks(below):
        writer.go_on()
        told(len(block))
        blocks.append(block)
    return Columns.joined(blocks)


def _rebuild(writer: Writer, told: Told = lambda games: None) -> Built:
    columns = _read_table(writer, told)
    newest = int(columns.ids[-1]) if len(columns) else None
    version = rebuild.rebuild(writer, columns, conditions(), floor=_ledger_floor(newest), bucket_floor=_bucket_floor())
    if versions.current(GAMES) is None:  # lost with the view; without one no answer about games is kept
        versions.raise_version(GAMES)
    logger.info("the view was built from %d games", len(columns))
    return Built(len(columns), version)


def _ledger_floor(newest: int | None) -> int:
    return retention.ledger_floor(newest, settings.ANALYTICS_LEDGER_GAMES)


def _bucket_floor() -> int:
    return retention.bucket_floor(now_ms(), settings.ANALYTICS_BUCKET_DAYS)
