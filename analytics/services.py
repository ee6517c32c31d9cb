"""Writes to the view: mark, wake, apply, reconcile, trim, rebuild."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings

from analytics import table
from analytics.columns import Columns
from analytics.conditions import Condition, parse_names
from analytics.live import pending, reader, rebuild, repairs, retention, series
from analytics.live.apply import BATCH_GAMES, NoView, apply
from analytics.live.drift import Drift, drifts
from analytics.live.keys import CHUNK_GAMES, LIVE
from analytics.live.ledger import differing
from analytics.live.writer import Overtaken, Writer, the_writer
from analytics.waking import awake, wake_writer
from cachecore import versions
from cachecore.clock import now_ms
from cachecore.connections import RoleUnavailable
from cachecore.locks import LockHeld
from games.keys import GAMES

logger = logging.getLogger(__name__)

DRIFT_LOOKS = 4

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
        with _writing() as writer:
            return _apply_all(writer)
    except LockHeld:
        return None  # what woke us stays said, so that saves wake no second one; the writer looks again when it ends
    except Overtaken:
        logger.warning("a newer writer took over")
        return None


@contextmanager
def _writing(wait_seconds: float = 0.0) -> Iterator[Writer]:
    """Be the writer, and wake the next one where games were marked meanwhile. Raises LockHeld, RoleUnavailable."""
    with the_writer(wait_seconds=wait_seconds) as writer:
        awake()
        yield writer
    # Saves marked their games before they found a writer woken: from here on they wake the next one themselves.
    awake()
    if pending.size():
        wake_writer()


class Built(NamedTuple):
    games: int
    version: int


def rebuild_view(*, wait_seconds: float = 0.0, told: Told = lambda games: None) -> Built:
    """Build the view from the table and swap it in; `told` hears of the games as they are read.

    Raises LockHeld, Overtaken, RoleUnavailable, django.db.Error.
    """
    with _writing(wait_seconds) as writer:
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
        checked += 1
        ids = _differing(number)
        if not ids:
            continue
        # A second look: what was recorded or applied between reading the one and the other is no drift.
        ids &= _differing(number)
        view = reader.head()
        if view is None or number * CHUNK_GAMES < view.floor:  # dropped meanwhile
            continue
        unmarked = sorted(ids - pending.waiting(sorted(ids)))
        if unmarked:
            drift += len(unmarked)
            pending.mark(unmarked)
            repairs.found_games(unmarked)
    if drift:
        logger.warning("reconcile marked %d games in %d chunks", drift, checked)
        versions.raise_version(GAMES)  # whoever could not mark them could not raise it either
    return {"chunks": checked, "marked": drift}


def _differing(number: int) -> set[int]:
    return set(differing(reader.chunks([number]), table.chunk(number)).tolist())


class Unsettled(Exception):
    """Games changed during every look: what differs may only not be applied yet."""


def find_drift(*, wait_seconds: float = 0.0) -> list[Drift]:
    """Apply what is pending, then hold every cell of the view against the table; repairs nothing.

    A view that is not whole is one drift. Raises Unsettled, LockHeld, Overtaken, RoleUnavailable, django.db.Error.
    """
    with _writing(wait_seconds) as writer:
        return _drift(writer)


def _drift(writer: Writer) -> list[Drift]:
    """A game saved while the table is read looks like drift: told is what two looks in a row find alike."""
    before: set[Drift] | None = None
    for _ in range(DRIFT_LOOKS):
        if rebuild.needed(conditions()):
            return [Drift(LIVE.state, "view", "whole", "absent, of other conditions, or lost in part")]
        _apply_all(writer)
        view = reader.head()
        columns = _read_table(writer)
        found = list(drifts(view, columns, conditions(), writer.go_on)) if view is not None else []
        if not found:
            return []
        if before is not None and (lasting := [drift for drift in found if drift in before]):
            return lasting
        before = set(found)
    raise Unsettled


def mend_aggregates() -> int:
    """Rebuild the view when a cell of it differs from the table; returns how many did.

    Raises LockHeld, Overtaken, RoleUnavailable, django.db.Error.
    """
    with _writing() as writer:
        try:
            found = _drift(writer)
        except Unsettled:
            logger.info("games change too fast to hold the view against the table; tomorrow again")
            return 0
        if found:
            logger.warning("%d cells of the view differ from the table, such as %s: rebuilding", len(found), found[0])
            _rebuild(writer)
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
        with _writing() as writer:
            return retention.trim(
                writer, parse_names(view.conditions.split()), _ledger_floor(view.newest), _bucket_floor()
            )
    except (LockHeld, Overtaken):
        return None


def _apply_all(writer: Writer) -> Applied:
    applied, configured = Applied(), conditions()
    if rebuild.needed(configured):
        _rebuild(writer)
        applied.rebuilt = True
    marked: dict[int, int] = {}
    while True:
        if len(marked) < BATCH_GAMES:  # a backlog needs no gathering
            _let_games_gather()
        marked = pending.oldest(BATCH_GAMES)
        if not marked:
            break
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
    _settle(writer, configured, applied)
    return applied


def _settle(writer: Writer, configured: Sequence[Condition], applied: Applied) -> None:
    """What a batch leaves to be done once: what the ledger alone could not tell, and series that it broke."""
    if rebuild.needed(configured):
        _rebuild(writer)
        applied.rebuilt = True
    else:
        _restore_series(writer, configured)
    repairs.settle()


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
    with table.one_moment():
        for block in table.blocks(below):
            writer.go_on()
            told(len(block))
            blocks.append(block)
    return Columns.joined(blocks)


def _rebuild(writer: Writer, told: Told = lambda games: None) -> Built:
    if versions.current(GAMES) is None:  # lost with the view; without one no answer about games is kept
        versions.raise_version(GAMES)
    columns = _read_table(writer, told)
    newest = int(columns.ids[-1]) if len(columns) else None
    version = rebuild.rebuild(writer, columns, conditions(), floor=_ledger_floor(newest), bucket_floor=_bucket_floor())
    logger.info("the view was built from %d games", len(columns))
    return Built(len(columns), version)


def _ledger_floor(newest: int | None) -> int:
    return retention.ledger_floor(newest, settings.ANALYTICS_LEDGER_GAMES)


def _bucket_floor() -> int:
    return retention.bucket_floor(now_ms(), settings.ANALYTICS_BUCKET_DAYS)
