"""The blocking driver: performs effects on the connection of the cache role, each within the circuit breaker."""

import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connections as databases
from django.utils.asyncio import async_unsafe

from cachecore import conf
from cachecore.read_through.effects import (
    Compute,
    EffectGenerator,
    Join,
    Mget,
    Revalidate,
    RunScript,
    Spawn,
    WaitForLatch,
    drive,
)
from cachecore.read_through.refresh_pool import RefreshPool
from cachecore.redis_client import connections
from cachecore.storage.flights import running_factories

BLOCKS_EVENT_LOOP = "A blocking cache call would stop this event loop: use AsyncCache, or sync_to_async."


class BlockingDriver:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: RefreshPool | None = None
        self._handlers: dict[type, Callable[[Any], Any]] = {
            Mget: _mget,
            RunScript: _run_script,
            Revalidate: _revalidate,
            WaitForLatch: _wait_for_latch,
            Join: _join,
            Compute: _compute,
            Spawn: self._spawn,
        }

    @async_unsafe(BLOCKS_EVENT_LOOP)
    def __call__(self, effect: Any) -> Any:
        """Perform an effect and return its result.

        Raises SynchronousOnlyOperation in an event loop, as Django's ORM does (DJANGO_ALLOW_ASYNC_UNSAFE).
        """
        return self._handlers[type(effect)](effect)

    def _spawn(self, effect: Spawn) -> bool:
        with self._lock:
            if self._pool is None:
                self._pool = RefreshPool(conf.refresh_threads())
        job = partial(contextvars.copy_context().run, self._drive_in_thread, effect.effects)
        return self._pool.submit(effect.family, job)

    def _drive_in_thread(self, effects: EffectGenerator[Any]) -> None:
        """Drive a generator in a thread of the pool. The pool logs its error; waiting callers get it by the flight."""
        try:
            drive(effects, self)
        finally:
            databases.close_all()  # of this thread: Django closes them at the end of requests only


def _mget(effect: Mget) -> list[bytes | None]:
    return connections.execute("cache", "MGET", *effect.keys)  # type: ignore[no-any-return]


def _run_script(effect: RunScript) -> Any:
    return effect.call.script.execute(effect.call.keys, effect.call.args)


def _revalidate(effect: Revalidate) -> tuple[list[bytes], list[bytes | None]]:
    with connections.guarded_client("cache") as client, client.pipeline(transaction=False) as pipeline:
        for key in effect.keys:
            pipeline.getrange(key, 0, effect.header_bytes - 1)
        if effect.version_keys:
            pipeline.mget(effect.version_keys)
        return split_replies(effect, pipeline.execute())


def split_replies(effect: Revalidate, replies: list[Any]) -> tuple[list[bytes], list[bytes | None]]:
    """Return the replies to GETRANGE, and the reply to the MGET of versions (empty if there was none)."""
    return replies[: len(effect.keys)], replies[-1] if effect.version_keys else []


def _wait_for_latch(effect: WaitForLatch) -> bool:
    with connections.guarded_client("cache") as client:
        return client.blmove(effect.latch, effect.latch, effect.seconds, "LEFT", "RIGHT") is not None


def _join(effect: Join) -> Any:
    try:
        return effect.future.result(effect.seconds)
    except TimeoutError:  # of the wait: the future itself never fails
        return None


def _compute(effect: Compute) -> Any:
    outer = running_factories.set(running_factories.get() | {effect.key})
    try:
        return effect.factory()
    finally:
        running_factories.reset(outer)
