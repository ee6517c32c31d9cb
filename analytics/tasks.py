"""Celery tasks: call a service, return its result. They are idempotent; beat repeats what a lost message omitted."""

from dataclasses import asdict
from typing import Any

from celery import shared_task
from django.conf import settings

from analytics import services, view_maintenance
from analytics.live.writer_lock import WriterFenced
from analytics.wakeup import WRITER_TASK, wake_writer
from cachecore.locks import LockHeld
from cachecore.schedule import single_run
from cachecore.tasks import request_warming

LOCK_WAIT_SECONDS = 60.0  # for how long a job that an operator started waits for another writer


@shared_task(name=WRITER_TASK)
def apply_pending() -> dict[str, Any] | None:
    """Apply pending games. Saves enqueue this task; beat does so every five seconds, in case a message was lost."""
    applied = services.apply_pending(rebuild_every_seconds=settings.ANALYTICS_REBUILD_EVERY_SECONDS)
    if applied is None:
        return None
    if applied.new or applied.corrected or applied.removed or applied.rebuilt:
        request_warming()
    return asdict(applied)


@shared_task(name="analytics.tasks.reconcile_newest")
@single_run("reconcile-newest", ttl_seconds=60)
def reconcile_newest() -> dict[str, int]:
    """Reconcile the newest two chunks, and those with an unexpected number of games. Runs every minute."""
    return _reconcile_and_wake(view_maintenance.chunks_likely_to_differ())


@shared_task(name="analytics.tasks.reconcile_all")
@single_run("reconcile-all", ttl_seconds=10 * 60)
def reconcile_all() -> dict[str, int]:
    """Reconcile every chunk, then check every aggregate. Runs daily."""
    found = _reconcile_and_wake(view_maintenance.all_chunks())
    try:
        return found | {"cells": view_maintenance.repair_aggregates()}
    except (LockHeld, WriterFenced):
        return found  # another writer is at work; the next daily run checks the aggregates


@shared_task(name="analytics.tasks.check_drift")
@single_run("check-drift", ttl_seconds=5 * 60)
def check_drift() -> dict[str, Any]:
    """Compare every cell of the view with the table. Repairs nothing. Runs on demand."""
    found = view_maintenance.find_drift(wait_seconds=LOCK_WAIT_SECONDS)
    return {"cells": len(found), "first": str(found[0]) if found else None}


@shared_task(name="analytics.tasks.rebuild")
@single_run("rebuild", ttl_seconds=5 * 60)
def rebuild() -> dict[str, int]:
    """Rebuild the view from the table. Runs on demand."""
    built = services.rebuild_view(wait_seconds=LOCK_WAIT_SECONDS)
    request_warming()
    return built._asdict()


@shared_task(name="analytics.tasks.clean_up")
@single_run("clean-up", ttl_seconds=60)
def clean_up() -> dict[str, int] | None:
    """Drop expired interval buckets and old ledger chunks. Runs hourly."""
    trimmed = view_maintenance.clean_up()
    return trimmed._asdict() if trimmed is not None else None


def _reconcile_and_wake(chunks: list[int]) -> dict[str, int]:
    found = view_maintenance.reconcile(chunks)
    if found["marked"]:
        wake_writer()
    return found
