"""Wake one writer for many saves."""

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
# A broker that hangs costs a save two seconds, so it is asked seldom; beat wakes writers once it is back.
BROKER_RETRY_SECONDS = 15.0

broker_breaker = CircuitBreaker(BROKER_RETRY_SECONDS)


def enqueue(task: str) -> None:
    """Enqueue a task by name. Raises TaskNotQueued, at once while the broker is known to be away."""
    if not broker_breaker.allow():
        raise TaskNotQueued("the broker did not answer a moment ago")
    try:
        current_app.send_task(task)
    except (BrokerUnavailable, CeleryError, OSError) as error:
        broker_breaker.record_failure()
        raise TaskNotQueued(str(error) or type(error).__name__) from error
    broker_breaker.record_success()


def wake_writer() -> None:
    """Enqueue one task unless one is on its way. Never fails for the broker's sake. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        if not client.set(WAKEUP_MARKER.key(), 1, nx=True, ex=WAKEUP_MARKER.ttl_seconds):
            return
    try:
        enqueue(WRITER_TASK)  # by name: the task imports the services that wake it
    except TaskNotQueued as error:
        logger.warning("the writer could not be woken, beat will: %s", error)


def clear_wakeup_marker() -> None:
    """The writer has begun: saves from here on wake one of their own. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        client.delete(WAKEUP_MARKER.key())
