"""`get` and `remember` for event loops: the same logic as the blocking calls, awaited.

The threads and event loops of a process share its local cache and its flights, so that a value which both miss is
computed once.

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
    RunScript,
    Spawn,
    WaitForLatch,
    drive_async,
)
from cachecore.read_through.reader import value_of
from cachecore.read_through.sync_driver import split_replies
from cachecore.redis_client import connections
from cachecore.redis_client.read_batcher import ReadBatcher
from cachecore.service import Cache
from cachecore.storage.flights import running_factories
from cachecore.tags import as_tuple

logger = logging.getLogger(__name__)

NOT_ENTERED = "AsyncCache must be used within its `async with` block."


class AsyncCache:
    """The cache for one running event loop, with its own client."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._client: redis.asyncio.Redis | None = None
        self._reads: ReadBatcher | None = None
        self._spawned: set[asyncio.Task[None]] = set()
        self._handlers: dict[type, Callable[[Any], Awaitable[Any]]] = {
            Mget: self._mget,
            RunScript: self._run_script,
            Revalidate: self._revalidate,
            WaitForLatch: self._wait_for_latch,
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
        await cancelling.cancel_and_wait(self._spawned)
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
        """Return or compute a value as `Cache.remember` does; the factory is awaited.

        If the caller is cancelled its lease is released, and another caller computes the value.
        """
        requested_tags, reader = as_tuple(tags), self._cache.reader
        if (entry := reader.read_local(key, requested_tags)) is not None:
            return value_of(entry)
        read = reader.request(key, ttl, factory, requested_tags, family)
        return await drive_async(reader.remember(read), self._perform)

    async def get(self, key: Key, default: Any = None, *, tags: Sequence[str] = ()) -> Any:
        """Return a cached value as `Cache.get` does."""
        requested_tags, reader = as_tuple(tags), self._cache.reader
        if (entry := reader.read_local(key, requested_tags)) is not None:
            return value_of(entry)
        return await drive_async(reader.get(key, default, requested_tags), self._perform)

    async def _perform(self, effect: Any) -> Any:
        return await self._handlers[type(effect)](effect)

    async def _mget(self, effect: Mget) -> list[bytes | None]:
        """Read keys in one batch with the reads of other tasks.

        The keys are not read atomically. That is sufficient: each is read after this call began.
        """
        if self._reads is None:
            raise RuntimeError(NOT_ENTERED)
        return await asyncio.gather(*(self._reads.get(key) for key in effect.keys))

    async def _run_script(self, effect: RunScript) -> Any:
        async with self._guarded_client() as client:
            return await effect.call.script.run_async(client, effect.call.keys, effect.call.args)

    async def _revalidate(self, effect: Revalidate) -> tuple[list[bytes], list[bytes | None]]:
        async with self._guarded_client() as client, client.pipeline(transaction=False) as pipeline:
            for key in effect.keys:
                pipeline.getrange(key, 0, effect.header_bytes - 1)
            if effect.version_keys:
                pipeline.mget(effect.version_keys)
            return split_replies(effect, await pipeline.execute())

    async def _wait_for_latch(self, effect: WaitForLatch) -> bool:
        async with self._guarded_client() as client:
            return await client.blmove(effect.latch, effect.latch, effect.seconds, "LEFT", "RIGHT") is not None

    async def _spawn(self, effect: Spawn) -> bool:
        task = asyncio.create_task(self._drive_in_task(effect.effects))
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return True  # a task needs no thread of the pool

    async def _drive_in_task(self, effects: EffectGenerator[Any]) -> None:
        try:
            await drive_async(effects, self._perform)
        except Exception:
            logger.warning("A factory in the background failed.", exc_info=True)

    def _guarded_client(self) -> Any:
        if self._client is None:
            raise RuntimeError(NOT_ENTERED)
        return connections.guarded("cache", self._client)


async def _join(effect: Join) -> Any:
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(effect.future)), effect.seconds)
    except TimeoutError:
        return None


async def _compute(effect: Compute) -> Any:
    outer = running_factories.set(running_factories.get() | {effect.key})
    try:
        return await effect.factory()
    finally:
        with suppress(ValueError):  # in another context, because the coroutine is being destroyed
            running_factories.reset(outer)
