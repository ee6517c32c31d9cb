"""Liveness and readiness probes, with the state and latency of each part."""

import time
from collections.abc import Callable
from typing import Any

import kombu
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cachecore import readiness
from cachecore.redis_client import connections
from config.celery import app as celery_app


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Return 200 if the process serves requests, whatever the state of its databases."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Return 503 if the database is unavailable. Without Redis the site works, but slower: 200 and "degraded"."""
    parts = {
        "database": _timed(_database),
        "cache": _timed(lambda: readiness.probe("cache")),
        "state": _timed(lambda: readiness.probe("state")),
        "broker": _timed(_broker),
    }
    serves = parts["database"]["ok"]
    status = "ok" if all(part["ok"] for part in parts.values()) else "degraded" if serves else "unavailable"
    return JsonResponse({"status": status, **parts}, status=200 if serves else 503)


def _timed(probe: Callable[[], None]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        probe()
        ok, reason = True, None
    except (DatabaseError, connections.RedisUnavailable, kombu.exceptions.KombuError, OSError) as error:
        ok, reason = False, type(error).__name__
    return {"ok": ok, "latency_ms": round((time.perf_counter() - started) * 1000, 2), "reason": reason}


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    if settings.BROKER_URL == settings.STATE_URL:
        return readiness.probe("state")
    with celery_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=1, reraise_as_library_errors=True)
    return None
