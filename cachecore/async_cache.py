"""The async twins of `get` and `remember`: the same steps, awaited. Threads and event loops of a process share its
memory and its flights, so a value missed by both is computed once.

    async with AsyncCache(cache) as async_cache:  # one per event loop
        profile = await async_cache.remember(PROFILE.key(id=7), None, load, tags=["user:7"])
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import redis.asyncio

from cachecore import cancelling
from cachecore.keys import Family, Key
from cachecore.read_through.effects import (
    Compute,
    EffectGenerator,
    Join,
    Mget,
    Revalidate,
    Run,
    Spawn,
    Wait,
    drive_async,
)
from cachecore.read_through.reader import value_of
from cachecore.read_through.sync_driver import split
from cachecore.redis_client import connections
from cachecore.redis_client.read_batcher import ReadBatcher
from cachecore.service import Cache
from cachecore.storage.flights import running_factories
from cachecore.tags import listed

logger = logging.getLogger(__name__)

OUTSIDE = "an AsyncCache is used in its `async with` block"


class AsyncCache:
    """For one running event loop, with a client of its own."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._client: redis.asyncio.Redis | None = None
        self._reads: ReadBatcher | None = None
        self._aside: set[asyncio.Task[None]] = set()
        self._how: dict[type, Callable[[Any], Awaitable[Any]]] = {
            Mget: self._mget,
            Run: self._run,
            Revalidate: self._verify,
            Wait: self._wait,
            Join: _join,
            Compute: _compute,
            Spawn: self._spawn,
        }

    async def __aenter__(self) -> "AsyncCache":
        self._client = connections.async_client("cache")
        self._reads = ReadBatcher("cache", self._client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancelling.end(self._aside)
        if self._reads is not None:
            await self._reads.aclose()
        self._client = self._reads = None

    async def remember(
        self,
        key: Key,
        ttl: float | str | None,
        factory: Callable[[], Awaitable[Any]],
        *,
        tags: Sequence[str] = (),
        family: Family | None = None,
    ) -> Any:
        """As `Cache.remember`; the factory is awaited. Cancelling the caller ends its lease, another takes over."""
        asked, server = listed(tags), self._cache.reader
        if (entry := server.read_local(key, asked)) is not None:
            return value_of(entry)
        return await drive_async(server.remember(server.request(key, ttl, factory, asked, family)), self._perform)

    async def get(self, key: Key, default: Any = None, *, tags: Sequence[str] = ()) -> Any:
        """As `Cache.get`."""
        asked, server = listed(tags), self._cache.reader
        if (entry := server.read_local(key, asked)) is not None:
            return value_of(entry)
        return await drive_async(server.get(key, default, asked), self._perform)

    async def _perform(self, step: Any) -> Any:
        return await self._how[type(step)](step)

    async def _mget(self, step: Mget) -> list[bytes | None]:
        """Together with what other tasks ask at the moment; each key is read after the call, which is all it needs."""
        if self._reads is None:
            raise RuntimeError(OUTSIDE)
        return await asyncio.gather(*(self._reads.get(key) for key in step.keys))

    async def _run(self, step: Run) -> Any:
        async with self._use() as client:
            return await step.call.script.run_async(client, step.call.keys, step.call.args)

    async def _verify(self, step: Revalidate) -> tuple[list[bytes], list[bytes | None]]:
        async with self._use() as client, client.pipeline(transaction=False) as pipeline:
            for key in step.keys:
                pipeline.getrange(key, 0, step.header_bytes - 1)
            if step.version_keys:
                pipeline.mget(step.version_keys)
            return split(step, await pipeline.execute())

    async def _wait(self, step: Wait) -> bool:
        async with self._use() as client:
            return await client.blmove(step.latch, step.latch, step.seconds, "LEFT", "RIGHT") is not None

    async def _spawn(self, step: Spawn) -> bool:
        task = asyncio.create_task(self._drive_aside(step.steps))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
        return True  # a task costs no thread

    async def _drive_aside(self, steps: EffectGenerator[Any]) -> None:
        try:
            await drive_async(steps, self._perform)
        except Exception:
            logger.warning("a factory in the background failed", exc_info=True)

    def _use(self) -> Any:
        if self._client is None:
            raise RuntimeError(OUTSIDE)
        return connections.guarded("cache", self._client)


async def _join(step: Join) -> Any:
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(step.future)), step.seconds)
    except TimeoutError:
        return None


async def _compute(step: Compute) -> Any:
    outer = running_factories.set(running_factories.get() | {step.key})
    try:
        return await step.factory()
    finally:
        with suppress(ValueError):  # another context: the coroutine is destroyed, and what it set with it
            running_factories.reset(outer)
