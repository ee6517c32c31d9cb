"""Jobs that must not run twice at once, and the memory of their last run."""

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
    """`outcome` is "done" or "failed"; `result` is what the job returned, or the kind of error: the status page is
    public, the log has the rest."""

    started_ms: int
    finished_ms: int
    outcome: str
    result: Any


def single_run(name: str, ttl_seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a job: one run at a time over all processes, its outcome recorded.

    A second caller returns None at once. A run longer than `ttl_seconds` may be joined by another: jobs are
    idempotent. Raises RedisUnavailable when the state role does not serve.
    """

    def decorate(job: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(job)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                with lock(f"job:{name}", ttl_seconds):
                    return _recorded(name, functools.partial(job, *args, **kwargs))
            except LockHeld:
                logger.info("%s is running elsewhere", name)
                return None

        return run

    return decorate


def last_run(name: str) -> LastRun | None:
    with connections.guarded_client("state") as client:
        data = client.get(LAST_RUN.key(name=name))
    return msgspec.json.decode(data, type=LastRun) if data is not None else None


def _recorded(name: str, job: Callable[[], Any]) -> Any:
    started = now_ms()
    try:
        result = job()
    except Exception as error:
        _record(name, LastRun(started, now_ms(), "failed", type(error).__name__))
        raise
    _record(name, LastRun(started, now_ms(), "done", result))
    return result


def _record(name: str, run: LastRun) -> None:
    """A job that was done is done, whether or not that can be told."""
    try:
        with connections.guarded_client("state") as client:
            client.set(LAST_RUN.key(name=name), msgspec.json.encode(run, enc_hook=repr))
    except connections.RedisUnavailable as error:
        logger.warning("%s: %s, and not recorded: %s", name, run.outcome, error)
