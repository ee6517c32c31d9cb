"""Wake one writer for many saves."""

import logging

from celery import current_app
from celery.exceptions import CeleryError
from kombu.exceptions import OperationalError as BrokerUnavailable

from analytics.live.keys import WOKEN
from cachecore import connections
from cachecore.breaker import CircuitBreaker

logger = logging.getLogger(__name__)

WRITER_TASK = "analytics.tasks.apply_pending"
# A broker that hangs costs a save two seconds, so it is asked seldom; beat wakes writers once it is back.
BROKER_RETRY_SECONDS = 15.0

broker = CircuitBreaker(BROKER_RETRY_SECONDS)


def wake_writer() -> None:
    """Enqueue one task unless one is on its way. Never fails for the broker's sake. Raises RoleUnavailable."""
    with connections.use("state") as client:
        if not client.set(WOKEN.key(), 1, nx=True, ex=WOKEN.ttl_seconds):
            return
    if not broker.allow():
        return
    try:
        current_app.send_task(WRITER_TASK)  # by name: the task imports the services that wake it
    except (BrokerUnavailable, CeleryError, OSError) as error:
        broker.failed()
        logger.warning("the writer could not be woken, beat will: %s", error)
    else:
        broker.succeeded()


def awake() -> None:
    """The writer has begun: saves from here on wake one of their own. Raises RoleUnavailable."""
    with connections.use("state") as client:
        client.delete(WOKEN.key())
