"""Jobs that must not run twice at once, and the record of their last run."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from cachecore.clock import now_ms
from cachecore.keys import Family
from cachecore.locks import LockHeld, lock
from cachecore.redis_client import connections

logger = logging.getLogger(__name__)

LAST_RUN = Family(
    name="last-run",
    pattern="last_run:{name}",
    role="state",
    type="string",
    ttl_seconds=None,
    holds="JSON: started_ms, finished_ms, outcome, result of a job's last run",
    written_by="cachecore.schedule.single_run",
    purged_by="the next run",
    bounded_by="one key per job in code",
)


class LastRun(msgspec.Struct, frozen=True):
    """`outcome` is "done" or "failed". `result` is what the job returned, or the class of its error.

    The rest of the error is in the log only, because the status page is public.
    """

    started_ms: int
    finished_ms: int
    outcome: str
    result: Any


def single_run(name: str, ttl_seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a job so that all processes together run it once at a time and its outcome is recorded.

    A call during a run returns None at once. If a run takes longer than `ttl_seconds`, another may begin beside it, so
    jobs must be idempotent. Raises RedisUnavailable.
    """

    def decorate(job: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(job)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                with lock(f"job:{name}", ttl_seconds):
                    return _run_and_record(name, functools.partial(job, *args, **kwargs))
            except LockHeld:
                logger.info("The job %s is already running in another process.", name)
                return None

        return run

    return decorate


def last_run(name: str) -> LastRun | None:
    """Return the record of a job's last run; None if there is none. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        data = client.get(LAST_RUN.key(name=name))
    return msgspec.json.decode(data, type=LastRun) if data is not None else None


def _run_and_record(name: str, job: Callable[[], Any]) -> Any:
    started = now_ms()
    try:
        result = job()
    except Exception as error:
        _record(name, LastRun(started, now_ms(), "failed", type(error).__name__))
        raise
    _record(name, LastRun(started, now_ms(), "done", result))
    return result


def _record(name: str, run: LastRun) -> None:
    """Record a run. A failing Redis is only logged, because the job itself has ended."""
    try:
        with connections.guarded_client("state") as client:
            client.set(LAST_RUN.key(name=name), msgspec.json.encode(run, enc_hook=repr))
    except connections.RedisUnavailable as error:
        logger.warning("The job %s ended (%s), but its run was not recorded: %s", name, run.outcome, error)
