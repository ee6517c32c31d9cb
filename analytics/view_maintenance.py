"""The upkeep of the view: reconcile it with the table, tell its drift, mend it, drop what is too old."""

import logging
from collections.abc import Iterable
from math import inf

from analytics import view_settings
from analytics.conditions import parse_names
from analytics.database import game_reads
from analytics.live import pending, reader, rebuild, repairs, retention
from analytics.live.drift import Drift, compare
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
    """Games changed during every look: what differs may only not be applied yet."""


def reconcile(numbers: Iterable[int]) -> dict[str, int]:
    """Compare ledger and table chunk by chunk and mark every id that differs. Only marks: the writer repairs.

    Raises RedisUnavailable, django.db.Error.
    """
    checked = drift = 0
    view = reader.view_state()
    for number in numbers:
        if view is None or number * CHUNK_GAMES < view.oldest_retained_id:
            continue
        checked += 1
        ids = _persistent_difference(number)
        view = reader.view_state()
        if view is None or number * CHUNK_GAMES < view.oldest_retained_id:  # dropped meanwhile
            continue
        if ids:
            drift += len(ids)
            pending.mark(sorted(ids))
            repairs.record_drifted_games(ids)
    if drift:
        logger.warning("reconcile marked %d games in %d chunks", drift, checked)
        versions.raise_version(GAMES)  # whoever could not mark them could not raise it either
    return {"chunks": checked, "marked": drift}


def _persistent_difference(number: int) -> set[int]:
    """Ids that differ at every look and are marked at none in between. What is saved or applied meanwhile is no drift:
    it differs for a moment before it is marked, and is marked until it differs no more."""
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
    """Apply what is pending, then hold every cell of the view against the table; repairs nothing.

    A view that is not whole is one drift. Raises Unsettled, LockHeld, Overtaken, RedisUnavailable, django.db.Error.
    """
    with writer_session(wait_seconds) as writer:
        return _drift(writer)


def _drift(writer: Writer) -> list[Drift]:
    """A game saved while the table is read looks like drift: told is what two looks in a row find alike."""
    before: set[Drift] | None = None
    for _ in range(MAX_DRIFT_CHECKS):
        if rebuild.is_rebuild_needed(view_settings.conditions(), min_age_ms=inf):
            return [Drift(LIVE.state, "view", "whole", "absent, of other conditions, or lost in part")]
        apply_pending_games(writer)
        view = reader.view_state()
        columns = read_table(writer)
        found = list(compare(view, columns, view_settings.conditions(), writer.extend)) if view is not None else []
        if not found:
            return []
        if before is not None and (lasting := [drift for drift in found if drift in before]):
            return lasting
        before = set(found)
    raise ChangedDuringCheck


def repair_aggregates() -> int:
    """Rebuild the view when a cell of it differs from the table; returns how many did.

    Raises LockHeld, Overtaken, RedisUnavailable, django.db.Error.
    """
    with writer_session() as writer:
        try:
            found = _drift(writer)
        except ChangedDuringCheck:
            logger.info("games change too fast to hold the view against the table; tomorrow again")
            return 0
        if found:
            logger.warning("%d cells of the view differ from the table, such as %s: rebuilding", len(found), found[0])
            build_view(writer)
            repairs.record_repaired_cells(len(found))
    return len(found)


def chunks_likely_to_differ() -> list[int]:
    """The newest two, where almost every change happens, and those of which table and view count other games: some came
    or went while Redis was away."""
    newest, view = game_reads.newest_chunk_numbers(2), reader.view_state()
    if view is None or view.games == game_reads.count():
        return newest
    recorded = game_reads.games_per_chunk()
    held = {number: facts.games for number, facts in reader.index().items()}
    return sorted({*newest, *(number for number, _ in recorded.items() ^ held.items())})


def all_chunks() -> list[int]:
    return sorted({*game_reads.games_per_chunk(), *reader.index()})


def clean_up() -> retention.Trimmed | None:
    """Drop expired buckets and ledger chunks. None when another writer is at work: the next run will do it."""
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
