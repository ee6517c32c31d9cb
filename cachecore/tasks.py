"""Celery tasks of the cache."""

from typing import Any

from celery import shared_task

from cachecore.maintenance import usage, warming
from cachecore.schedule import single_run


class TaskNotQueued(Exception):
    """The broker did not accept a task's message."""


@shared_task(name="cachecore.tasks.warm")
@single_run("warm", ttl_seconds=60)
def warm() -> dict[str, Any]:
    """Warm the most requested and the standard responses, hourly and after a new version (`request_warming`)."""
    warming.begin()
    report = warming.run()
    return {
        "warmed": len(report.warmed),
        "already_warm": len(report.already_warm),
        "failed": len(report.failed),
        "off": len(report.switched_off),
        "dropped": len(report.dropped),
        "left": report.remaining,
    }


@shared_task(name="cachecore.tasks.fade_use")
@single_run("fade-use", ttl_seconds=60)
def decay_usage() -> dict[str, int]:
    """Halve the request counts, hourly: older requests count less than recent ones."""
    return {"asked": usage.decay()}


def request_warming() -> None:
    """Queue a warming run for the version just raised, at most one per five seconds."""
    delay = warming.claim_delay_seconds()
    if delay is not None:
        warm.apply_async(countdown=delay)
