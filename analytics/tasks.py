"""Celery tasks: fetch, call a service. Idempotent; a lost message is made good by the next beat."""

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

LOCK_WAIT_SECONDS = 60.0  # of a job on demand, for another writer


@shared_task(name=WRITER_TASK)
def apply_pending() -> dict[str, Any] | None:
    """Bring the view up to date; woken by saves and, as the net, every five seconds by beat."""
    applied = services.apply_pending(below_after_seconds=settings.ANALYTICS_REBUILD_EVERY_SECONDS)
    if applied is None:
        return None
    if applied.new or applied.corrected or applied.removed or applied.rebuilt:
        request_warming()
    return asdict(applied)


@shared_task(name="analytics.tasks.reconcile_newest")
@single_run("reconcile-newest", ttl_seconds=60)
def reconcile_newest() -> dict[str, int]:
    """Every minute: the newest two chunks, and those where games came or went unheard."""
    return _reconcile_and_wake(view_maintenance.chunks_likely_to_differ())


@shared_task(name="analytics.tasks.reconcile_all")
@single_run("reconcile-all", ttl_seconds=10 * 60)
def reconcile_all() -> dict[str, int]:
    """Daily: every chunk, and every cell that is counted from them."""
    found = _reconcile_and_wake(view_maintenance.all_chunks())
    try:
        return found | {"cells": view_maintenance.repair_aggregates()}
    except (LockHeld, WriterFenced):
        return found  # a writer is at work; tomorrow again


@shared_task(name="analytics.tasks.check_drift")
@single_run("check-drift", ttl_seconds=5 * 60)
def check_drift() -> dict[str, Any]:
    """On demand: hold every cell of the view against the table; repairs nothing."""
    found = view_maintenance.find_drift(wait_seconds=LOCK_WAIT_SECONDS)
    return {"cells": len(found), "first": str(found[0]) if found else None}


@shared_task(name="analytics.tasks.rebuild")
@single_run("rebuild", ttl_seconds=5 * 60)
def rebuild() -> dict[str, int]:
    """On demand: build the view anew."""
    built = services.rebuild_view(wait_seconds=LOCK_WAIT_SECONDS)
    request_warming()
    return built._asdict()


@shared_task(name="analytics.tasks.clean_up")
@single_run("clean-up", ttl_seconds=60)
def clean_up() -> dict[str, int] | None:
    """Hourly: drop expired interval buckets and old ledger chunks."""
    trimmed = view_maintenance.clean_up()
    return trimmed._asdict() if trimmed is not None else None


def _reconcile_and_wake(chunks: list[int]) -> dict[str, int]:
    found = view_maintenance.reconcile(chunks)
    if found["marked"]:
        wake_writer()
    return found
