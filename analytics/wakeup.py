"""Enqueue tasks from a save: one wake-up of the writer for many saves, and no save that fails because of the broker."""

import logging

from celery import current_app
from celery.exceptions import CeleryError
from kombu.exceptions import OperationalError as BrokerUnavailable

from analytics.live.keys import WAKEUP_MARKER
from cachecore.redis_client import connections
from cachecore.redis_client.circuit_breaker import CircuitBreaker
from cachecore.tasks import TaskNotQueued

logger = logging.getLogger(__name__)

WRITER_TASK = "analytics.tasks.apply_pending"
# A broker that hangs delays a save by two seconds, so it is tried rarely. Once it is back, beat wakes the writer.
BROKER_RETRY_SECONDS = 15.0

broker_breaker = CircuitBreaker(BROKER_RETRY_SECONDS)


def enqueue(task: str) -> None:
    """Enqueue a task by name. Raises TaskNotQueued, without a delay while the broker's breaker is open."""
    if not broker_breaker.allow():
        raise TaskNotQueued("the broker did not answer a moment ago")
    try:
        current_app.send_task(task)
    except (BrokerUnavailable, CeleryError, OSError) as error:
        broker_breaker.record_failure()
        raise TaskNotQueued(str(error) or type(error).__name__) from error
    broker_breaker.record_success()


def wake_writer() -> None:
    """Enqueue the writer's task unless one is queued already.

    A broker that fails is only logged. Raises RedisUnavailable.
    """
    with connections.guarded_client("state") as client:
        if not client.set(WAKEUP_MARKER.key(), 1, nx=True, ex=WAKEUP_MARKER.ttl_seconds):
            return
    try:
        enqueue(WRITER_TASK)  # by name, because the task's module imports the services that call this function
    except TaskNotQueued as error:
        logger.warning("the writer's task could not be enqueued; beat enqueues the next one: %s", error)


def clear_wakeup_marker() -> None:
    """Let later saves enqueue the next task: the writer that was woken has started. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        client.delete(WAKEUP_MARKER.key())
