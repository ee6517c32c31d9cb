"""Maintenance of the live view: reconcile it with the table, find drift, repair it, apply retention."""

import logging
from collections.abc import Iterable
from math import inf

from analytics import view_settings
from analytics.conditions import parse_names
from analytics.database import game_reads
from analytics.live import pending, reader, rebuild, repairs, retention
from analytics.live.drift import Drift, compare_view
from analytics.live.keys import CHUNK_GAMES, LIVE
from analytics.live.ledger import differing_ids
from analytics.live.writer_lock import Writer, WriterFenced
from analytics.view_writes import apply_pending_games, build_view, read_table, writer_session
from cachecore import versions
from cachecore.locks import LockHeld
from games.keys import GAMES

logger = logging.getLogger(__name__)

MAX_DRIFT_CHECKS = 4
RECONCILE_RECHECKS = 2


class ChangedDuringCheck(Exception):
    """Games changed during every check, so that a difference may be a change that is not applied yet."""


def reconcile(numbers: Iterable[int]) -> dict[str, int]:
    """Compare ledger and table in these chunks and mark every game pending that differs. The writer repairs it.

    Return the number of chunks compared and of games marked. Raises RedisUnavailable, django.db.Error.
    """
    checked = drift = 0
    view = reader.view_state()
    for number in numbers:
        if view is None or number * CHUNK_GAMES < view.oldest_retained_id:
            continue
        checked += 1
        ids = _persistent_difference(number)
        view = reader.view_state()
        if view is None or number * CHUNK_GAMES < view.oldest_retained_id:
            continue  # retention dropped the chunk during the check
        if ids:
            drift += len(ids)
            pending.mark(sorted(ids))
            repairs.record_drifted_games(ids)
    if drift:
        logger.warning("reconcile marked %d games pending in %d chunks", drift, checked)
        versions.raise_version(GAMES)  # a save that could not mark its games could not raise the version either
    return {"chunks": checked, "marked": drift}


def _persistent_difference(number: int) -> set[int]:
    """Return the ids that differ in every check and are not pending in between.

    A game that is just being saved or applied is no drift. It differs for a moment before it is marked pending, and it
    stays pending until it no longer differs.
    """
    ids = _differing_ids(number)
    for _ in range(RECONCILE_RECHECKS):
        if not ids:
            break
        ids -= pending.filter_pending(sorted(ids))
        ids &= _differing_ids(number)
    return ids


def _differing_ids(number: int) -> set[int]:
    return set(differing_ids(reader.chunks([number]), game_reads.games_in_chunk(number)).tolist())


def find_drift(*, wait_seconds: float = 0.0) -> list[Drift]:
    """Apply the pending games, then compare every cell of the view with the table. Repairs nothing.

    A view that is absent or partly lost counts as one drift. Raises ChangedDuringCheck, LockHeld, WriterFenced,
    RedisUnavailable, django.db.Error.
    """
    with writer_session(wait_seconds) as writer:
        return _drift(writer)


def _drift(writer: Writer) -> list[Drift]:
    """Return the drifts that two checks in a row find alike: a game saved while the table is read also differs once."""
    before: set[Drift] | None = None
    for _ in range(MAX_DRIFT_CHECKS):
        if rebuild.is_rebuild_needed(view_settings.conditions(), min_age_ms=inf):
            return [Drift(LIVE.state, "view", "complete", "absent, partly lost, or built for other conditions")]
        apply_pending_games(writer)
        view = reader.view_state()
        columns = read_table(writer)
        found = list(compare_view(view, columns, view_settings.conditions(), writer.extend)) if view is not None else []
        if not found:
            return []
        if before is not None and (lasting := [drift for drift in found if drift in before]):
            return lasting
        before = set(found)
    raise ChangedDuringCheck


def repair_aggregates() -> int:
    """Rebuild the view if a cell of it differs from the table. Return how many cells did.

    Raises LockHeld, WriterFenced, RedisUnavailable, django.db.Error.
    """
    with writer_session() as writer:
        try:
            found = _drift(writer)
        except ChangedDuringCheck:
            logger.info("games change too fast to compare the view with the table; the next daily run tries again")
            return 0
        if found:
            logger.warning(
                "%d cells of the view differ from the table, the first: %s; rebuilding", len(found), found[0]
            )
            build_view(writer)
            repairs.record_repaired_cells(len(found))
    return len(found)


def chunks_likely_to_differ() -> list[int]:
    """Return the newest two chunks, where almost every change happens, and those with another number of games.

    Table and view count different numbers in a chunk if games were saved or deleted while Redis was down.
    """
    newest, view = game_reads.newest_chunk_numbers(2), reader.view_state()
    if view is None or view.games == game_reads.count():
        return newest
    recorded = game_reads.games_per_chunk()
    applied = {number: summary.games for number, summary in reader.index().items()}
    return sorted({*newest, *(number for number, _ in recorded.items() ^ applied.items())})


def all_chunks() -> list[int]:
    """Return every chunk in which the table or the view has games."""
    return sorted({*game_reads.games_per_chunk(), *reader.index()})


def clean_up() -> retention.Trimmed | None:
    """Drop the buckets and ledger chunks that retention no longer keeps.

    Return None if there is no view, or if another writer is at work: then the next run does it.
    """
    view = reader.view_state()
    if view is None:
        return None
    try:
        with writer_session() as writer:
            return retention.trim(
                writer,
                parse_names(view.conditions.split()),
                view_settings.oldest_retained_id(view.newest),
                view_settings.oldest_bucket(),
            )
    except (LockHeld, WriterFenced):
        return None
