"""Celery tasks of the cache: fetch, call a service."""

from typing import Any

from celery import shared_task

from cachecore import warming
from cachecore.schedule import single_run


@shared_task
@single_run("warm", ttl_seconds=60)
def warm() -> dict[str, Any]:
    """Warm every standard answer (hourly, and after a new version: `request_warming`)."""
    warming.begin()
    report = warming.Report()
    for url in warming.urls():
        warming.warm_url(url, report)
    return {"warmed": len(report.warmed), "already_warm": len(report.already_warm), "failed": report.failed}


def request_warming() -> None:
    """Wake one run for the version just raised, at most one per five seconds."""
    delay = warming.claim_delay_seconds()
    if delay is not None:
        warm.apply_async(countdown=delay)
