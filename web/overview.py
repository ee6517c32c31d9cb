"""The state of the whole system, for the first page of the admin."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import Error as DatabaseError

from analytics import selectors
from cachecore.schedule import LastRun
from cachecore.stats import server_info, stats
from games.models import Game

logger = logging.getLogger(__name__)

QUEUE = "celery"
CACHE_JOBS = ("warm", "fade-use")  # cachecore/tasks.py
PLAY_JOBS = ("close-abandoned-bets", "audit-books")  # games/play/tasks.py


@dataclass(frozen=True, slots=True)
class Overview:
    """None means unknown: the database, Redis or the broker that supplies the value is unavailable."""

    games_last_hour: int | None
    view: dict[str, Any] | None
    hit_rate: float | None
    reads: int
    servers: list[server_info.ServerInfo]
    queue_length: int | None
    jobs: dict[str, LastRun | None]


def overview() -> Overview:
    """Return the state of the system. Never raises: a value that cannot be read is None."""
    snapshot = stats.snapshot()
    total = snapshot.total
    return Overview(
        games_last_hour=_games_last_hour(),
        view=_view(),
        hit_rate=total.hit_rate,
        reads=total.reads,
        servers=list(server_info.read_all_roles().values()),
        queue_length=_queue_length(),
        jobs=selectors.jobs((*selectors.JOBS, *CACHE_JOBS, *PLAY_JOBS)),
    )


def _games_last_hour() -> int | None:
    try:
        return Game.objects.filter(end_time__gte=datetime.now(UTC) - timedelta(hours=1)).count()
    except DatabaseError:
        return None


def _view() -> dict[str, Any] | None:
    try:
        return selectors.status()
    except DatabaseError:
        return None


def _queue_length() -> int | None:
    """Return the number of messages that no worker has taken yet."""
    seconds = settings.REDIS_CONNECT_TIMEOUT_SECONDS
    try:
        with redis.Redis.from_url(
            settings.BROKER_URL, socket_connect_timeout=seconds, socket_timeout=seconds, retry=settings.REDIS_RETRY
        ) as broker:
            return int(broker.llen(QUEUE))
    except redis.RedisError as error:
        logger.warning("the length of the broker's queue is unknown: %r", error)
        return None
