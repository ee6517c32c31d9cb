"""Writes to the view: mark what changed, wake a writer, apply, rebuild. Maintenance: view_maintenance.py."""

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
    """These rows changed: mark them and wake a writer. Never fails a save; `reconcile` finds what is lost here."""
    try:
        pending.mark(ids)
        wake_writer()
    except RedisUnavailable as error:
        logger.warning("%d changed games were not marked: %s", len(ids), error)


def apply_pending(*, below_after_seconds: float = 0) -> ApplyResult | None:
    """Apply every pending game, a batch at a time; build the view first where there is none, and where games below its
    ledger changed and it was built so long ago.

    Returns None when another writer is at it. Raises RedisUnavailable, django.db.Error; what was not applied stays
    pending.
    """
    try:
        with writer_session() as writer:
            return apply_pending_games(writer, below_after_seconds=below_after_seconds)
    except LockHeld:
        return None  # what woke us stays said, so that saves wake no second one; the writer looks again when it ends
    except WriterFenced:
        logger.warning("a newer writer took over")
        return None


def rebuild_view(*, wait_seconds: float = 0.0, on_progress: ProgressCallback = ignore_progress) -> RebuildResult:
    """Build the view from the table and swap it in; `told` hears of the games as they are read.

    Raises LockHeld, Overtaken, RedisUnavailable, django.db.Error.
    """
    with writer_session(wait_seconds) as writer:
        return build_view(writer, on_progress)
