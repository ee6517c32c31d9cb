"""Writes to the live view: mark games pending and wake a writer, apply, rebuild. See also view_maintenance.py."""

import logging
from collections.abc import Sequence

from analytics.live import pending
from analytics.live.writer_lock import WriterFenced
from analytics.view_writes import (
    ApplyResult,
    ProgressCallback,
    RebuildResult,
    apply_pending_games,
    build_view,
    ignore_progress,
    writer_session,
)
from analytics.wakeup import wake_writer
from cachecore.locks import LockHeld
from cachecore.redis_client.connections import RedisUnavailable

logger = logging.getLogger(__name__)


def games_changed(ids: Sequence[int]) -> None:
    """Mark games pending whose rows changed, and wake a writer.

    Never raises because of Redis or the broker, so that no save fails. `reconcile` finds the games that were missed.
    """
    try:
        pending.mark(ids)
        wake_writer()
    except RedisUnavailable as error:
        logger.warning("%d changed games could not be marked pending: %s", len(ids), error)


def apply_pending(*, rebuild_every_seconds: float = 0) -> ApplyResult | None:
    """Apply every pending game, batch by batch. Return None if another writer is at work.

    Build the view first if there is none. Rebuild it if games below its ledger changed, at most once in
    `rebuild_every_seconds`. Raises RedisUnavailable, django.db.Error; games that were not applied stay pending.
    """
    try:
        with writer_session() as writer:
            return apply_pending_games(writer, rebuild_every_seconds=rebuild_every_seconds)
    except LockHeld:
        # The marker of the wake-up stays, so that saves enqueue no second task: the other writer looks for pending
        # games again when it ends.
        return None
    except WriterFenced:
        logger.warning("a newer writer took over")
        return None


def rebuild_view(*, wait_seconds: float = 0.0, on_progress: ProgressCallback = ignore_progress) -> RebuildResult:
    """Build the view from the table and swap it in. `on_progress` receives the number of games of each block read.

    Raises LockHeld, WriterFenced, RedisUnavailable, django.db.Error.
    """
    with writer_session(wait_seconds) as writer:
        return build_view(writer, on_progress)
