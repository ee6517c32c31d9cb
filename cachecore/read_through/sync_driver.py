"""The blocking driver's I/O: steps are performed on the cache role's connection, one use of the breaker each."""

import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connections as databases
from django.utils.asyncio import async_unsafe

from cachecore import conf
from cachecore.read_through.effects import Compute, EffectGenerator, Join, Mget, Revalidate, Run, Spawn, Wait, drive
from cachecore.read_through.refresh_pool import RefreshPool
from cachecore.redis_client import connections
from cachecore.storage.flights import running_factories


class BlockingDriver:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: RefreshPool | None = None
        self._how: dict[type, Callable[[Any], Any]] = {
            Mget: _mget,
            Run: _run,
            Revalidate: _verify,
            Wait: _wait,
            Join: _join,
            Compute: _compute,
            Spawn: self._spawn,
        }

    @async_unsafe("A blocking cache call would stop this event loop: use AsyncCache, or sync_to_async.")
    def __call__(self, step: Any) -> Any:
        """Raises SynchronousOnlyOperation in an event loop, as Django's ORM does (DJANGO_ALLOW_ASYNC_UNSAFE)."""
        return self._how[type(step)](step)

    def _spawn(self, step: Spawn) -> bool:
        with self._lock:
            if self._threads is None:
                self._threads = RefreshPool(conf.refresh_threads())
        return self._threads.submit(step.family, partial(contextvars.copy_context().run, self._drive_aside, step.steps))

    def _drive_aside(self, steps: EffectGenerator[Any]) -> None:
        """What fails is logged (background.py): its callers have it from the flight, if any of them waits."""
        try:
            drive(steps, self)
        finally:
            databases.close_all()  # this thread's: Django closes them for requests only


def _mget(step: Mget) -> list[bytes | None]:
    return connections.execute("cache", "MGET", *step.keys)  # type: ignore[no-any-return]


def _run(step: Run) -> Any:
    return step.call.script.execute(step.call.keys, step.call.args)


def _verify(step: Revalidate) -> tuple[list[bytes], list[bytes | None]]:
    with connections.guarded_client("cache") as client, client.pipeline(transaction=False) as pipeline:
        for key in step.keys:
            pipeline.getrange(key, 0, step.header_bytes - 1)
        if step.version_keys:
            pipeline.mget(step.version_keys)
        return split(step, pipeline.execute())


def split(step: Revalidate, replies: list[Any]) -> tuple[list[bytes], list[bytes | None]]:
    """The replies to GETRANGE of every key, and those to the MGET of versions, if there was one."""
    return replies[: len(step.keys)], replies[-1] if step.version_keys else []


def _wait(step: Wait) -> bool:
    with connections.guarded_client("cache") as client:
        return client.blmove(step.latch, step.latch, step.seconds, "LEFT", "RIGHT") is not None


def _join(step: Join) -> Any:
    try:
        return step.future.result(step.seconds)
    except TimeoutError:  # the future itself never fails
        return None


def _compute(step: Compute) -> Any:
    outer = running_factories.set(running_factories.get() | {step.key})
    try:
        return step.factory()
    finally:
        running_factories.reset(outer)
