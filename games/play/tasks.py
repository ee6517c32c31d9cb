"""Celery tasks of the step game. Claims in the database make them idempotent; Redis only spares a second run."""

import logging
from collections.abc import Callable

from celery import shared_task

from cachecore.redis_client.connections import RedisUnavailable
from cachecore.schedule import single_run
from games.play.selectors.books import differences
from games.play.services import abandoned

logger = logging.getLogger(__name__)


@shared_task(name="games.play.tasks.close_abandoned_bets")
def close_abandoned_bets() -> int | None:
    """Refund or cash out the bets that their players have left. Runs every minute, without Redis too."""
    return _even_without_redis(_close_abandoned_bets, abandoned.close_abandoned_bets)


@shared_task(name="games.play.tasks.audit_books")
def audit_books() -> int | None:
    """Recompute the books and log each row that differs. Runs nightly, without Redis too."""
    return _even_without_redis(_audit_books, log_differences)


def log_differences() -> int:
    """Return how many rows of the books differ. Each one is logged as an error."""
    found = 0
    for difference in differences():
        logger.error("play_audit: %s", difference)
        found += 1
    return found


def _even_without_redis(alone: Callable[[], int | None], job: Callable[[], int]) -> int | None:
    try:
        return alone()
    except RedisUnavailable:
        return job()


@single_run("close-abandoned-bets", ttl_seconds=60)
def _close_abandoned_bets() -> int:
    return abandoned.close_abandoned_bets()


@single_run("audit-books", ttl_seconds=30 * 60)
def _audit_books() -> int:
    return log_differences()
